import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pending } from '../../../src/engine/pending.js';
import { RequestMemory } from '../../../src/engine/request-memory.js';
import { RequestQueue } from '../../../src/engine/request-queue.js';
import { pending } from '../../forge/pending.js';
import { refusal } from '../../forge/refusal.js';

for (const { what, callers, turn, expected } of [
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
]) {
  test(`who shares an execution of four: ${what}`, () => {
    const queue = new RequestQueue(9, new RequestMemory(100));
    const ends = new Map<Pending, string>();
    for (const caller of callers) {
      queue.push({ ...pending(caller, 1, ends), sharedRows: 4, batchKey: 'one' });
    }
    const taken = queue.take(4, 0, turn).map(({ request }) => request.caller);
    assert.deepEqual(taken, expected);
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
    const order = taken.map(() => queue.take(1, 0, 1)[0]);
    assert.deepEqual(
      order.map((one) => `${one?.request.caller} ${one?.priority}`),
      taken,
    );
    assert.equal(queue.size, 0);
  });
}
