import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sweep } from '../../../src/engine/batch-sweep.js';

/** Milliseconds of a batch, and what else the machine does to the n-th execution of all. */
interface Case {
  readonly what: string;
  readonly batch: (rows: number) => number;
  readonly disturbed?: (n: number, rows: number) => number;
  readonly max?: number;
  readonly expected: number;
}

/** An overhead that rows share, and what each takes. */
const shared = (overhead: number, row: number) => (rows: number) => overhead + row * rows;
const once = (n: number): number => (n % 7 === 3 ? 9 : 1);

const CASES: readonly Case[] = [
  { what: 'rows share a large overhead', batch: shared(1, 0.01), expected: 32 },
  { what: 'rows share nothing', batch: shared(0, 1), expected: 1 },
  { what: 'a tenth is not saved', batch: shared(0.09, 1), expected: 1 },
  { what: 'an eighth is saved by four, little more by eight', batch: shared(0.17, 1), expected: 4 },
  {
    what: 'beyond 8 rows each takes longer',
    batch: (n) => 1 + 0.1 * n + 0.05 * Math.max(0, n - 8) ** 2,
    expected: 8,
  },
  { what: 'the maximum is no power of two', batch: shared(1, 0.01), max: 12, expected: 12 },
  { what: 'the maximum is 2', batch: shared(1, 0.01), max: 2, expected: 2 },
  { what: 'a long execution, whatever its rows', batch: shared(190, 0.1), expected: 32 },
  { what: 'seconds for one row', batch: shared(1000, 1), expected: 1 },
  {
    what: 'every seventh execution is nine times slower',
    batch: shared(1, 0.01),
    disturbed: once,
    expected: 32,
  },
  { what: 'so too where batches do not pay', batch: shared(0, 1), disturbed: once, expected: 1 },
  {
    what: 'the machine is half as fast for 20 executions',
    batch: shared(1, 0.01),
    disturbed: (n) => (n > 16 && n <= 36 ? 2 : 1),
    expected: 32,
  },
  {
    what: 'large batches alone are disturbed, three times in four',
    batch: shared(1, 0.01),
    disturbed: (n, rows) => (rows > 8 && n % 4 !== 0 ? 3 : 1),
    expected: 32,
  },
];

for (const { what, batch, disturbed = () => 1, max = 32, expected } of CASES) {
  test(`the sweep chooses ${expected}: ${what}`, async () => {
    let n = 0;
    const { size, perRow } = await sweep(
      async (rows) => {
        n += 1;
        assert.ok(rows <= max);
        return batch(rows) * disturbed(n, rows);
      },
      max,
      1,
    );
    assert.equal(size, expected);
    assert.equal(perRow, batch(size) / size);
  });
}

test('a sweep of slow executions ends', async () => {
  for (const batch of [shared(190, 0), shared(0, 190), shared(50, 140)]) {
    let spent = 0;
    await sweep(
      async (rows) => {
        spent += batch(rows);
        return batch(rows);
      },
      32,
      1,
    );
    assert.ok(spent < 12_000, `${spent} ms`);
  }
});

test('sweeps of several shapes share the time of one', async () => {
  let spent = 0;
  const { size } = await sweep(
    async (rows) => {
      spent += 5 + 5 * rows;
      return 5 + 5 * rows;
    },
    32,
    16,
  );
  assert.ok(size > 1);
  assert.ok(16 * spent < 10_000, `${16 * spent} ms`);
});
