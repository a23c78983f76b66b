import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { confidenceOf, sampleLog } from '../../../src/replay/sample.js';
import { fc } from '../../property.js';

describe('samples of logs', () => {
  const root = new Uint8Array(32);
  const seed = new Uint8Array(32).fill(1);

  test('have the size of the fraction, and leave the first manifest out', () => {
    fc.assert(
      fc.property(fc.nat(400), fc.double({ min: 0, max: 1, noNaN: true }), (size, fraction) => {
        const sample = sampleLog({ size, root }, seed, fraction);
        assert.equal(sample.length, Math.ceil(Math.max(0, size - 1) * fraction));
        assert.equal(new Set(sample).size, sample.length);
        assert.ok(sample.every((index) => index >= 1 && index < size));
      }),
    );
  });

  test('depend on the root: a log made for a seed is another sample', () => {
    const one = sampleLog({ size: 1000, root }, seed, 0.1);
    const two = sampleLog({ size: 1000, root: root.map(() => 1) }, seed, 0.1);
    assert.notDeepEqual(one, two);
    assert.throws(() => sampleLog({ size: 3, root }, seed, 1.1), { code: 'USAGE_OPTION' });
  });

  test('say nothing where nothing was replayed', () => assert.equal(confidenceOf(0), null));
});
