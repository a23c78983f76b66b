import assert from 'node:assert/strict';
import { test } from 'node:test';
import { heapGrowth } from '../../../src/engine/heap-growth.js';

const GIBIBYTE = 2 ** 30;

for (const [memory, percent] of [
  [64 * GIBIBYTE, 400],
  [4 * GIBIBYTE, 400],
  [2 * GIBIBYTE, 256],
  [GIBIBYTE, 128],
  [GIBIBYTE / 2, 64],
  [0, 1],
] as const) {
  test(`with ${memory / GIBIBYTE} GiB a heap may grow by ${percent} percent`, () => {
    assert.equal(heapGrowth(memory), percent);
  });
}
