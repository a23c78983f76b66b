import assert from 'node:assert/strict';
import { test } from 'node:test';
import { NonceQueue } from '../../enclave/nonce-queue.js';

const ROOM = 8;

for (const { what, waits, most, taken } of [
  {
    what: 'addresses take turns, and the report is full within one',
    waits: ['a1', 'a2', 'a3', 'b1', 'c1'],
    most: 2,
    taken: ['a1 b1', 'a2 c1', 'a3', ''],
  },
  {
    what: 'what others leave is the turn of who waits',
    waits: ['a1', 'b1', 'b2', 'b3'],
    most: 3,
    taken: ['a1 b1 b2', 'b3', ''],
  },
  { what: 'nothing waits', waits: [], most: 3, taken: [''] },
]) {
  test(`nonces that a report answers: ${what}`, () => {
    const queue = new NonceQueue<{ address: string; name: string }>(ROOM);
    for (const name of waits) queue.push({ address: name.slice(0, 1), name });
    const reports = taken.map(() => queue.take(most).map(({ name }) => name));
    assert.deepEqual(
      reports.map((names) => names.join(' ')),
      taken,
    );
  });
}

test('an address may have as many as there is room left for, again once they are answered or gone', () => {
  const queue = new NonceQueue<{ address: string }>(ROOM);
  const push = (address: string): { address: string } => {
    const waiting = { address };
    queue.push(waiting);
    return waiting;
  };
  const full = { code: 'PLATFORM_EXHAUSTED' };
  for (let round = 0; round < 2; round++) {
    const own = Array.from({ length: 4 }, () => push('a'));
    assert.throws(() => push('a'), full);
    for (let i = 0; i < 2; i++) push('b');
    assert.throws(() => push('b'), full);
    push('c');
    assert.throws(() => push('c'), full);
    assert.equal(queue.take(2).length, 2);
    for (const waiting of own) queue.remove(waiting);
    for (const waiting of own) queue.remove(waiting);
    assert.equal(queue.take(ROOM).length, 2);
  }
});
