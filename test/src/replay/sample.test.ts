import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { confidenceOf, sampleLog } from '../../../src/replay/sample.js';
import { fc } from '../../property.js';

describe('samples of logs', () => {
  const root = new Uint8Array(32);
  const seed = new Uint8Array(32).fill(1);

  test('have the size of the fraction, and leave the first manifest out', async () => {
    const fraction = fc.double({ min: 0, max: 1, noNaN: true });
    await fc.assert(
      fc.asyncProperty(fc.nat(400), fraction, async (size, part) => {
        const sample = await sampleLog({ size, root }, seed, part);
        assert.equal(sample.length, Math.ceil(Math.max(0, size - 1) * part));
        assert.equal(new Set(sample).size, sample.length);
        assert.ok(sample.every((index) => index >= 1 && index < size));
      }),
    );
  });

  for (const count of [1, 100, 3000, 30_000]) {
    test(`are the ${count} of the smallest hashes, in the order of the log`, async () => {
      const size = 40_001;
      const ranked = Array.from({ length: size - 1 }, (_, i) => {
        const index = Buffer.alloc(8);
        index.writeBigUInt64BE(BigInt(i + 1));
        const hash = createHash('sha256').update('assay/log-sample/v1\0');
        return { index: i + 1, rank: hash.update(seed).update(root).update(index).digest('hex') };
      });
      const smallest = ranked.sort((a, b) => (a.rank < b.rank ? -1 : 1)).slice(0, count);
      assert.deepEqual(
        await sampleLog({ size, root }, seed, count / (size - 1)),
        smallest.map(({ index }) => index).sort((a, b) => a - b),
      );
    });
  }

  test('depend on the root: a log made for a seed is another sample', async () => {
    const one = await sampleLog({ size: 1000, root }, seed, 0.1);
    const two = await sampleLog({ size: 1000, root: root.map(() => 1) }, seed, 0.1);
    assert.notDeepEqual(one, two);
  });

  const refused: readonly (readonly [string, number, number, string])[] = [
    ['more than the whole log', 3, 1.1, 'USAGE_OPTION'],
    ['more entries than a sample may have', 2 ** 22 + 2, 1, 'USAGE_OPTION'],
    ['a log of more entries than are hashed', 2 ** 28 + 1, 0, 'RECEIPT_LOG_SIZE'],
  ];
  for (const [name, size, fraction, code] of refused) {
    test(`are not drawn: ${name}`, async () => {
      await assert.rejects(sampleLog({ size, root }, seed, fraction), { code });
    });
  }

  test('say nothing where nothing was replayed', () => assert.equal(confidenceOf(0), null));
});
