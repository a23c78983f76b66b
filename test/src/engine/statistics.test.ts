import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Statistics } from '../../../src/engine/statistics.js';

test('callers who send ever other numbers of rows grow no statistics without end', () => {
  const statistics = new Statistics();
  const took = { queue: 1, computeInput: 1, computeInfer: 1, computeOutput: 1 };
  for (const round of [1, 2]) {
    for (let rows = 1; rows <= 5000; rows++) {
      statistics.executed({ ...took, rows, batchSize: rows });
    }
    assert.equal(statistics.executionCount, round * 5000);
    assert.equal(statistics.batches.size, 1024);
    assert.equal(statistics.batches.get(1024)?.computeInfer.count, round);
  }
});
