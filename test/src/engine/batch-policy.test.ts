import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BatchPolicy, mostRows } from '../../../src/engine/batch-policy.js';

for (const { what, shapes, maxBatchSize, most } of [
  { what: 'every input has them', shapes: [['n', 2], ['n']], maxBatchSize: 4, most: 4 },
  { what: 'one input has none', shapes: [['n', 2], [3]], maxBatchSize: 4, most: Infinity },
  { what: 'one input is a scalar', shapes: [[], ['n']], maxBatchSize: 4, most: Infinity },
  { what: 'no size is stated', shapes: [['n', 2]], maxBatchSize: undefined, most: Infinity },
  { what: 'the size is none', shapes: [['n', 2]], maxBatchSize: 1, most: Infinity },
]) {
  test(`the rows that a request may have, ${what}: ${most}`, () => {
    const inputs = shapes.map((shape, i) => ({ name: `x${i}`, datatype: 'FP32' as const, shape }));
    assert.equal(mostRows({ ...(maxBatchSize && { maxBatchSize }) }, inputs), most);
  });
}

for (const { preferred, rows, max = 8, size } of [
  { preferred: [2, 8], rows: 9, size: 8 },
  { preferred: [2, 8], rows: 8, size: 8 },
  { preferred: [2, 8], rows: 7, size: 2 },
  { preferred: [2, 8], rows: 1, size: 8 },
  { preferred: [2, 8], rows: 9, max: 4, size: 2 },
  { preferred: [4], rows: 9, max: 4, size: 4 },
  { preferred: [8], rows: 9, max: 4, size: 4 },
  { preferred: [], rows: 9, size: 8 },
]) {
  test(`the rows of an execution, ${rows} wait, ${preferred} of ${max} are preferred: ${size}`, () => {
    const policy = new BatchPolicy(max, { preferredBatchSizes: preferred });
    assert.equal(policy.sizeNow({ rows, held: new Map(), oldest: 0 }), size);
  });
}

test('a request names a shorter timeout than the default, not a longer one', () => {
  const expiryOf = (defaultTimeoutMicroseconds: number, timeout: number): number => {
    const policy = new BatchPolicy(1, { defaultTimeoutMicroseconds });
    return policy.expiryOf({ inputs: [], outputs: [], timeout }, 1000);
  };
  const never = Number.POSITIVE_INFINITY;
  const cases: readonly (readonly [usual: number, own: number, expires: number])[] = [
    [0, 0, never],
    [0, 5000, 1005],
    [5000, 0, 1005],
    [5000, 2000, 1002],
    [5000, 9000, 1005],
  ];
  for (const [usual, own, expires] of cases) assert.equal(expiryOf(usual, own), expires);
});

const MILLISECOND = 1_000_000;

/** What waits, what the newest execution took, and for how long a second worker is left out of it. */
const GATHERED = [
  { what: 'the first execution of all', last: Number.POSITIVE_INFINITY, left: 0 },
  { what: 'long executions', last: MILLISECOND, left: 0 },
  { what: 'a short one that has just begun', left: 0.5 },
  { what: 'one that was to be short', dispatched: 999, left: 0 },
  { what: 'several short ones', dispatched: 999, executions: 3, left: 0.5 },
  { what: 'one that has ended, whose answer is on its way', dispatched: 0, ended: true, left: 0.5 },
  { what: 'a full batch', rows: 8, left: 0 },
];

for (const { what, last = 1000, rows = 7, left, ...differing } of GATHERED) {
  test(`how long a second worker leaves what waits to the first, ${what}: ${left} ms`, () => {
    const waiting = { rows, held: new Map(), oldest: 0 };
    const policy = new BatchPolicy(8, {});
    const executing = { executions: 1, dispatched: 1000, ended: false, ...differing };
    assert.equal(policy.gathers(waiting, [executing], last, 1000), left);
    assert.equal(policy.gathers(waiting, [], last, 1000), 0, 'where none is executing');
  });
}

test('a delay counts from the acceptance of what has waited longest', () => {
  const waits = (rows: number, oldest: number, { max = 8, preferred = [4, 6] } = {}): number => {
    const options = { maxQueueDelayMicroseconds: 300_000, preferredBatchSizes: preferred };
    return new BatchPolicy(max, options).waits({ rows, held: new Map(), oldest }, 1000);
  };
  assert.equal(waits(3, 900), 200);
  assert.equal(waits(3, 700), 0, 'a busy worker does not begin the delay anew');
  assert.equal(waits(3, 1000), 300);
  assert.equal(waits(4, 1000), 0, 'a preferred size');
  assert.equal(waits(7, 1000, { preferred: [] }), 300);
  assert.equal(waits(8, 1000, { preferred: [] }), 0, 'a full batch');
  assert.equal(
    waits(0, 1000, { max: 1 }),
    0,
    'a model that is not batched, of a request without rows',
  );
});

for (const { levels, usual, named, level } of [
  { levels: 3, named: 1, level: 1 },
  { levels: 3, named: 3, level: 3 },
  { levels: 3, named: 4, level: 2 },
  { levels: 3, named: 0, level: 2 },
  { levels: 3, usual: 3, named: 0, level: 3 },
  { levels: 0, named: 1, level: 0 },
]) {
  test(`of ${levels} levels, ${usual ?? 'the middle'} by default, a request that names ${named} has ${level}`, () => {
    const options = { priorityLevels: levels, defaultPriorityLevel: usual };
    const policy = new BatchPolicy(1, options);
    assert.equal(policy.priorityOf({ inputs: [], outputs: [], priority: named }), level);
  });
}
