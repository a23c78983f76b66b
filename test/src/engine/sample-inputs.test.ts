import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Sample, sampler } from '../../../src/engine/sample-inputs.js';

const TYPES = {
  FP16: { exponent: 5, fraction: 10 },
  FP32: { exponent: 8, fraction: 23 },
  FP64: { exponent: 11, fraction: 52 },
} as const;

/** Signs, exponents (without the bias) and fractions of a sample. */
function partsOf(datatype: keyof typeof TYPES, kind: 'wide' | 'vast' | 'wild' | 'flecked') {
  const { exponent, fraction } = TYPES[datatype];
  const size = (1 + exponent + fraction) / 8;
  const bytes = Buffer.from(new Sample(datatype, 4096, kind, sampler(1)).fill());
  return Array.from({ length: 4096 }, (_, i) => {
    const bits = BigInt(
      `0x${Buffer.from(bytes.subarray(i * size, (i + 1) * size))
        .reverse()
        .toString('hex')}`,
    );
    return {
      negative: bits >> BigInt(exponent + fraction) === 1n,
      exponent: Number((bits >> BigInt(fraction)) % 2n ** BigInt(exponent)),
      fraction: bits % 2n ** BigInt(fraction),
    };
  });
}

for (const datatype of ['FP16', 'FP32', 'FP64'] as const) {
  const { exponent: bits, fraction: digits } = TYPES[datatype];
  const bias = 2 ** (bits - 1) - 1;
  const top = 2 ** bits - 1;
  const quiet = 2n ** BigInt(digits - 1);

  test(`wide samples of ${datatype} have all magnitudes from 1/4 to 2¹⁴, of both signs`, () => {
    const parts = partsOf(datatype, 'wide');
    const seen = new Set(parts.map(({ exponent }) => exponent - bias));
    assert.deepEqual(
      [...seen].sort((a, b) => a - b),
      Array.from({ length: 16 }, (_, i) => i - 2),
    );
    assert.equal(new Set(parts.map(({ negative }) => negative)).size, 2);
  });

  test(`vast samples of ${datatype} have any exponent, and are finite`, () => {
    const seen = new Set(partsOf(datatype, 'vast').map(({ exponent }) => exponent));
    assert.ok(!seen.has(top));
    assert.ok(seen.size > 0.8 * top, `${seen.size} exponents`);
  });

  for (const [kind, share] of [
    ['wild', 2],
    ['flecked', 64],
  ] as const) {
    test(`of ${kind} samples of ${datatype} one in ${share} is special, of each kind and both signs`, () => {
      const named = partsOf(datatype, kind).flatMap(({ negative, exponent, fraction }) => {
        const sign = negative ? '-' : '+';
        if (exponent === 0 && fraction <= 2n ** 32n) {
          return [`${sign}${fraction === 0n ? 'zero' : 'denormal'}`];
        }
        if (exponent !== top) return [];
        if (fraction === 0n) return [`${sign}infinite`];
        if (fraction < quiet) return [`${sign}signalling`];
        return [`${sign}${fraction === quiet ? 'quiet' : 'payload'}`];
      });
      assert.equal(new Set(named).size, 12, [...new Set(named)].join(' '));
      assert.ok(Math.abs(named.length / (4096 / share) - 1) < 0.4, `${named.length} of 4096`);
    });
  }
}

test('wide integers have all magnitudes of their type', () => {
  const { buffer } = new Sample('INT64', 4096, 'wide', sampler(1)).fill();
  const values = [...new BigInt64Array(buffer as ArrayBuffer)];
  for (let bit = 0n; bit < 62n; bit++) {
    for (const sign of [1n, -1n]) {
      const found = values.some((value) => (sign * value) >> bit === 1n);
      assert.ok(found, `${sign} · 2^${bit}`);
    }
  }
});
