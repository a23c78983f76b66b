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

  for (const [entries, count] of [
    [1, 1],
    [40_000, 100],
    [40_000, 30_000],
    [2 ** 28, 200],
    [2 ** 45, 200],
  ] as const) {
    test(`of ${count} of ${entries} entries are those that Floyd's algorithm draws by hashes`, async () => {
      const drawn = new Set<number>();
      for (let last = entries - count + 1; last <= entries; last++) {
        const index = Buffer.alloc(8);
        index.writeBigUInt64BE(BigInt(last));
        const hash = createHash('sha256').update('assay/log-sample/v1\0');
        const bits = hash.update(seed).update(root).update(index).digest('hex').slice(0, 32);
        const entry = 1 + Number(BigInt(`0x${bits}`) % BigInt(last));
        drawn.add(drawn.has(entry) ? last : entry);
      }
      assert.deepEqual(
        await sampleLog({ size: entries + 1, root }, seed, count / entries),
        [...drawn].sort((a, b) => a - b),
      );
    });
  }

  test('are every set of so many entries alike often', async () => {
    const DRAWS = 6000;
    const often = new Map<string, number>();
    for (let i = 0; i < DRAWS; i++) {
      const other = new Uint8Array(Uint32Array.of(i).buffer);
      const sample = (await sampleLog({ size: 7, root }, other, 0.5)).join();
      often.set(sample, (often.get(sample) ?? 0) + 1);
    }
    assert.equal(often.size, 20);
    for (const times of often.values()) assert.ok(Math.abs(times - DRAWS / 20) < 75, `${times}`);
  });

  test('depend on the root: a log made for a seed is another sample', async () => {
    const one = await sampleLog({ size: 1000, root }, seed, 0.1);
    const two = await sampleLog({ size: 1000, root: root.map(() => 1) }, seed, 0.1);
    assert.notDeepEqual(one, two);
  });

  const refused: readonly (readonly [string, number, number, string])[] = [
    ['more than the whole log', 3, 1.1, 'USAGE_OPTION'],
    ['more entries than a sample may have', 2 ** 22 + 2, 1, 'USAGE_OPTION'],
  ];
  for (const [name, size, fraction, code] of refused) {
    test(`are not drawn: ${name}`, async () => {
      await assert.rejects(sampleLog({ size, root }, seed, fraction), { code });
    });
  }

  test('say nothing where nothing was replayed', () => assert.equal(confidenceOf(0, 9), null));

  /** C(n - w, r) / C(n, r), in whole numbers as long as they last. */
  const choose = (n: number, r: number): number =>
    r > n ? 0 : Array.from({ length: r }).reduce<number>((c, _, i) => (c * (n - i)) / (i + 1), 1);
  for (const [replayed, undrawn] of [
    [1, 9],
    [3, 9],
    [12, 0],
    [20, 20],
    [2, 38],
  ] as const) {
    test(`of ${replayed} with ${undrawn} left out miss as many as counting them says`, () => {
      const population = replayed + undrawn;
      const missing = (wrong: number): number =>
        choose(population - wrong, replayed) / choose(population, replayed);
      const found = confidenceOf(replayed, undrawn);
      for (const { wrong, probability } of found?.missed ?? []) {
        const counted = missing(Math.ceil(wrong * population));
        assert.ok(Math.abs(probability - counted) < 1e-12, `${wrong}: ${probability}, ${counted}`);
      }
      const most = Math.round((found?.bound95 ?? Number.NaN) * population);
      assert.ok(missing(most) > 0.05 && missing(most + 1) <= 0.05, `${most}`);
    });
  }

  test('of a log of 2^40 entries say nearly what drawing with replacement would', () => {
    const found = confidenceOf(300, 2 ** 40);
    assert.ok(Math.abs((found?.bound95 ?? 0) - (1 - 0.05 ** (1 / 300))) < 1e-6);
  });
});
