import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Pending } from '../../../src/engine/pending.js';
import { RequestMemory } from '../../../src/engine/request-memory.js';
import { RequestQueue } from '../../../src/engine/request-queue.js';
import { pending } from '../../forge/pending.js';

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
