import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EngineError } from '../../../src/engine/error.js';
import type { Pending } from '../../../src/engine/pending.js';
import { RequestMemory } from '../../../src/engine/request-memory.js';
import { RequestQueue } from '../../../src/engine/request-queue.js';
import { pending } from '../../forge/pending.js';
import { refusal } from '../../forge/refusal.js';

for (const { what, before = [], gone = [], callers, turn, expected } of [
  {
    what: 'connections of one address, one request each',
    callers: ['a:1', 'a:1', 'a:1', 'a:2', 'a:2', 'a:3'],
    turn: 1,
    expected: ['a:1', 'a:2', 'a:3', 'a:1'],
  },
  {
    what: 'connections of one address, two requests each',
    callers: ['a:1', 'a:1', 'a:1', 'a:2', 'a:2', 'a:3'],
    turn: 2,
    expected: ['a:1', 'a:1', 'a:2', 'a:2'],
  },
  {
    what: 'connections with fewer than a turn has',
    callers: ['a:1', 'a:2', 'a:3', 'a:1'],
    turn: 8,
    expected: ['a:1', 'a:1', 'a:2', 'a:3'],
  },
  {
    what: 'two addresses, one request each whatever a turn has',
    callers: ['a:1', 'a:1', 'a:1', 'b:1', 'b:2'],
    turn: 8,
    expected: ['a:1', 'b:1', 'a:1', 'b:2'],
  },
  {
    what: 'one address alone after another has left, which had a turn to itself',
    before: ['b:1'],
    callers: ['a:1', 'a:2', 'a:1', 'a:1'],
    turn: 2,
    expected: ['a:1', 'a:1', 'a:2', 'a:1'],
  },
  {
    what: 'one address alone after others have left, which took turns',
    before: ['b:1', 'c:1', 'b:2', 'b:1'],
    callers: ['a:1', 'a:2', 'a:1', 'a:1'],
    turn: 2,
    expected: ['a:1', 'a:1', 'a:2', 'a:1'],
  },
  {
    what: 'one address alone after others were given up',
    gone: ['b:1', 'b:2', 'c:1'],
    callers: ['a:1', 'a:2', 'a:1', 'a:1'],
    turn: 2,
    expected: ['a:1', 'a:1', 'a:2', 'a:1'],
  },
]) {
  test(`who shares an execution of four: ${what}`, () => {
    const queue = new RequestQueue(9, new RequestMemory(100));
    const ends = new Map<Pending, string>();
    const push = (caller: string): Pending => {
      const one = { ...pending(caller, 1, ends), sharedRows: 4, batchKey: 'one' };
      queue.push(one);
      return one;
    };
    before.forEach(push);
    assert.equal(queue.take(4, 0, 1).length, before.length);
    for (const one of gone.map(push)) queue.giveUp(one, new EngineError('cancelled', 'gone'));
    callers.forEach(push);
    const taken = queue.take(4, 0, turn).map(({ request }) => request.caller);
    assert.deepEqual(taken, expected);
  });
}

for (const { what, waits, executions } of [
  {
    what: 'those of two addresses, which take turns',
    waits: ['a:1', 'a:1', 'a:1', 'b:1', 'b:1'],
    executions: ['a:1', 'b:1', 'a:1', 'b:1', 'a:1'],
  },
  {
    what: 'those with equal keys together',
    waits: ['a:1 x', 'a:1 x', 'a:1 y', 'a:1 x'],
    executions: ['a:1 x, a:1 x', 'a:1 y', 'a:1 x'],
  },
  {
    what: 'another key first of all in the next, of whatever address',
    waits: ['a:1 x', 'a:1 x', 'b:1 y', 'b:1 x', 'c:1 x', 'c:1 x'],
    executions: ['a:1 x, c:1 x, a:1 x, c:1 x', 'b:1 y', 'b:1 x'],
  },
  {
    what: 'another key first of all in the next, of whatever connection',
    waits: ['a:1 x', 'a:1 x', 'a:2 y', 'a:2 x', 'a:3 x', 'a:3 x'],
    executions: ['a:1 x, a:3 x, a:1 x, a:3 x', 'a:2 y', 'a:2 x'],
  },
  {
    what: 'no more rows than an execution has',
    waits: ['a:1 x 2', 'a:1 x 1', 'a:1 x 2', 'a:1 x 2'],
    executions: ['a:1 x 2, a:1 x 1', 'a:1 x 2, a:1 x 2'],
  },
  {
    what: 'one with more rows than an execution has alone',
    waits: ['a:1 x 9', 'a:1 x 1', 'a:1 x 1'],
    executions: ['a:1 x 9', 'a:1 x 1, a:1 x 1'],
  },
  {
    what: 'none with what is full, without rows too',
    waits: ['a:1 x 4', 'a:1 x 0', 'a:1 x 1'],
    executions: ['a:1 x 4', 'a:1 x 0, a:1 x 1'],
  },
  {
    what: 'no more rows than the first may share',
    waits: ['a:1 x 1 2', 'a:1 x 1 2', 'a:1 x 1 2'],
    executions: ['a:1 x 1 2, a:1 x 1 2', 'a:1 x 1 2'],
  },
  {
    what: 'none that has more rows than the first may share with it',
    waits: ['a:1 x 1 2', 'a:1 x 2 2', 'a:1 x 1 4', 'a:1 x 3 4'],
    executions: ['a:1 x 1 2', 'a:1 x 2 2', 'a:1 x 1 4, a:1 x 3 4'],
  },
  {
    what: 'those that share none alone, without rows too',
    waits: ['a:1 x 0 1', 'a:1 x 0 1', 'a:1 x 1 1'],
    executions: ['a:1 x 0 1', 'a:1 x 0 1', 'a:1 x 1 1'],
  },
]) {
  test(`what executions of four rows are made of: ${what}`, () => {
    const queue = new RequestQueue(9, new RequestMemory(100));
    const ends = new Map<Pending, string>();
    const texts = new Map<number, string>();
    for (const text of waits) {
      const [caller = '', batchKey = '', rows = 1, shared = batchKey === '' ? 1 : 4] =
        text.split(' ');
      const one = pending(caller, 1, ends);
      queue.push({ ...one, batchKey, rows: Number(rows), sharedRows: Number(shared) });
      texts.set(one.enqueued, text);
    }
    const made = executions.map(() =>
      queue
        .take(4, 0, 1)
        .map(({ enqueued }) => texts.get(enqueued))
        .join(', '),
    );
    assert.deepEqual(made, executions);
    assert.deepEqual([queue.size, queue.rows, queue.held.size], [0, 0, 0]);
  });
}

test('a turn that its execution ends is over: the next execution is the next connection’s', () => {
  const queue = new RequestQueue(9, new RequestMemory(100));
  const ends = new Map<Pending, string>();
  for (const caller of ['a:1', 'a:1', 'a:1', 'a:2']) queue.push(pending(caller, 1, ends));
  const order = Array.from({ length: 4 }, () => queue.take(1, 0, 8)[0]?.request.caller);
  assert.deepEqual(order, ['a:1', 'a:2', 'a:1', 'a:1']);
});

for (const { what, waits, next, refused, gaveWay = [], taken } of [
  { what: 'its own has one', waits: ['a:1 1'], next: 'a:1 1', taken: ['a:1 1', 'a:1 1'] },
  {
    what: 'one of another priority is full',
    waits: ['a:1 2', 'a:1 2'],
    next: 'a:1 1',
    taken: ['a:1 1', 'a:1 2', 'a:1 2'],
  },
  {
    what: 'its own is full of its address’s',
    waits: ['a:1 1', 'a:1 1', 'a:1 2'],
    next: 'a:2 1',
    refused: /^the queue is full: 2 of 2 requests of priority 1 wait/,
    taken: ['a:1 1', 'a:1 1', 'a:1 2'],
  },
  {
    what: 'its own is full of another address’s',
    waits: ['a:1 1', 'a:1 1', 'a:1 2'],
    next: 'b:1 1',
    gaveWay: [/2 of 2 requests of priority 1 wait.* gave way to a caller with fewer$/],
    taken: ['a:1 1', 'b:1 1', 'a:1 2'],
  },
  {
    what: 'its own is full, another address has as much of it and more of another',
    waits: ['a:1 1', 'b:1 1', 'a:1 2', 'a:1 2'],
    next: 'b:1 1',
    refused: /^the queue is full: 2 of 2 requests of priority 1 wait/,
    taken: ['a:1 1', 'b:1 1', 'a:1 2', 'a:1 2'],
  },
]) {
  test(`a request comes to a queue that takes two of each priority: ${what}`, () => {
    const queue = new RequestQueue(2, new RequestMemory(100));
    const ends = new Map<Pending, string>();
    const made = (text: string): Pending => {
      const [caller = '', priority] = text.split(' ');
      return pending(caller, 1, ends, Number(priority));
    };
    const push = (): void => {
      for (const one of [...waits, next]) queue.push(made(one));
    };
    if (refused === undefined) push();
    else assert.throws(push, refusal('exhausted', refused));
    assert.equal(ends.size, gaveWay.length);
    gaveWay.forEach((expected, i) => {
      assert.match([...ends.values()][i] ?? '', expected);
    });
    assert.equal(queue.full, true);
    const order = taken.map(() => queue.take(1, 0, 1)[0]);
    assert.deepEqual(
      order.map((one) => `${one?.request.caller} ${one?.priority}`),
      taken,
    );
    assert.deepEqual([queue.size, queue.full], [0, false]);
  });
}

test('what has waited longest is the oldest of all priorities and connections', () => {
  const queue = new RequestQueue(9, new RequestMemory(100));
  const ends = new Map<Pending, string>();
  const all = ['a:1 2', 'b:1 1', 'a:2 2'].map((text) => {
    const [caller = '', priority] = text.split(' ');
    return pending(caller, 1, ends, Number(priority));
  });
  for (const one of all) queue.push(one);
  const oldest = [queue.oldest];
  for (let left = all.length; left > 0; left--) {
    queue.take(1, 0, 1);
    oldest.push(queue.oldest);
  }
  const [first, , last] = all.map(({ enqueued }) => enqueued);
  assert.deepEqual(oldest, [first, first, last, undefined]);
});

for (const { what, waits, next, gaveWay = [], refused = false } of [
  {
    what: 'the newest of the address with most, of whichever model',
    waits: ['m a:1 20', 'n b:1 20', 'n a:1 20', 'm a:1 20', 'm b:1 20'],
    next: 'm c:1 20',
    gaveWay: ['m a:1 20 #3'],
  },
  {
    what: 'the newest, though the model asked for has one of the same address',
    waits: ['m a:1 20', 'm a:1 20', 'n a:1 20', 'm b:1 20', 'm b:1 20'],
    next: 'm c:1 20',
    gaveWay: ['n a:1 20 #2'],
  },
  {
    what: 'the less urgent, though others are newer',
    waits: ['m a:1 20 2', 'm a:1 20 1', 'n a:1 20 1', 'm b:1 20', 'm b:1 20'],
    next: 'm c:1 20',
    gaveWay: ['m a:1 20 2 #0'],
  },
  {
    what: 'the less urgent, though more urgent ones are older and newer',
    waits: ['m a:1 20 1', 'm a:1 20 2', 'm a:1 20 1', 'm b:1 20', 'm b:1 20'],
    next: 'm c:1 20',
    gaveWay: ['m a:1 20 2 #1'],
  },
  {
    what: 'the newest over all connections of an address',
    waits: ['m a:2 20', 'm a:1 20', 'm a:2 20', 'm a:1 20', 'm a:3 20'],
    next: 'm b:1 40',
    gaveWay: ['m a:3 20 #4', 'm a:1 20 #3'],
  },
  {
    what: 'of two addresses alike, each in its turn',
    waits: [
      'm a:1 10',
      'm a:1 10',
      'm a:1 10',
      'm a:1 10',
      'm a:1 10',
      'n b:1 10',
      'n b:1 10',
      'n b:1 10',
      'n b:1 10',
      'n b:1 10',
    ],
    next: 'm c:1 20',
    gaveWay: ['m a:1 10 #4', 'n b:1 10 #9'],
  },
  {
    what: 'until both have as much, and no more',
    waits: ['m a:1 50', 'n a:1 50'],
    next: 'm b:1 50',
    gaveWay: ['n a:1 50 #1'],
  },
  {
    what: 'none where the others would have less than it',
    waits: ['m a:1 50', 'm a:1 49', 'm b:1 1'],
    next: 'm b:1 50',
    refused: true,
  },
  {
    what: 'one for the bytes alone where the queue has room for it',
    waits: ['n a:1 40', 'm a:1 10', 'm a:1 50'],
    next: 'm b:1 20',
    gaveWay: ['m a:1 50 #2'],
  },
  {
    what: 'one alone in a full queue, though it has no bytes',
    waits: [
      'm a:1 0',
      'm a:1 0',
      'm a:1 0',
      'm a:1 0',
      'm a:1 0',
      'm a:1 0',
      'm a:1 0',
      'm a:1 0',
      'm a:1 0',
    ],
    next: 'm b:1 0',
    gaveWay: ['m a:1 0 #8'],
  },
]) {
  test(`who gives way in two models that may have 100 bytes: ${what}`, () => {
    const memory = new RequestMemory(100);
    const queues = { m: new RequestQueue(9, memory), n: new RequestQueue(9, memory) };
    const ends = new Map<Pending, string>();
    const texts = new Map<Pending, string>();
    const push = (text: string, i: number): void => {
      const [model, caller = '', bytes, priority = 0] = text.split(' ');
      const one = pending(caller, Number(bytes), ends, Number(priority));
      texts.set(one, `${text} #${i}`);
      queues[model === 'm' ? 'm' : 'n'].push(one);
    };
    waits.forEach(push);
    if (refused) assert.throws(() => push(next, waits.length), refusal('exhausted', /bytes/));
    else push(next, waits.length);
    assert.deepEqual(
      [...ends.keys()].map((one) => texts.get(one)),
      gaveWay,
    );
  });
}
