import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { NumericDistance } from '../../../attestation/model/distance.js';
import { qualityFindings } from '../../../src/admission/quality.js';
import type { Datatype } from '../../../src/client/datatype.js';
import { outputDistance } from '../../../src/client/output-distance.js';
import { type Limits, qualityOf } from '../../../src/client/quality.js';
import { elementsOf, type Tensor, tensor } from '../../../src/client/tensor.js';
import { fc } from '../../property.js';

const WIDTHS = { FP16: 2, FP32: 4, FP64: 8, INT8: 1, UINT16: 2, INT32: 4, INT64: 8, UINT64: 8 };
type NumericType = keyof typeof WIDTHS;

/** Any bits: NaNs of every payload, infinities, subnormal numbers, both zeros. */
function ofBits(datatype: NumericType, data: Uint8Array, shape?: readonly number[]): Tensor {
  return { name: 'y', datatype, shape: shape ?? [data.length / WIDTHS[datatype]], data };
}

function pairs(datatypes: readonly NumericType[]): fc.Arbitrary<readonly [Tensor, Tensor]> {
  return fc.constantFrom(...datatypes).chain((datatype) =>
    fc.integer({ min: 0, max: 6 }).chain((count) => {
      const length = count * WIDTHS[datatype];
      const bits = fc.uint8Array({ minLength: length, maxLength: length });
      return fc
        .tuple(bits, bits)
        .map(([a, b]) => [ofBits(datatype, a), ofBits(datatype, b)] as const);
    }),
  );
}

const ALL = Object.keys(WIDTHS) as NumericType[];
const FLOATS = ['FP16', 'FP32', 'FP64'] as const;

function distance(a: Tensor, b: Tensor): NumericDistance {
  const { numeric } = outputDistance(a, b);
  assert.ok(numeric);
  return numeric;
}

function verdict(a: Tensor, b: Tensor, limits: Limits): string | undefined {
  return qualityFindings('set', [a], [b], { version: 1, default: limits })[0]?.outcome;
}

describe('over all bits', () => {
  test('no measure is ever NaN, and none is negative but a cosine', () => {
    fc.assert(
      fc.property(pairs(ALL), ([a, b]) => {
        const { cosine, ...rest } = distance(a, b);
        assert.ok(Object.values(rest).every((value) => value >= 0));
        assert.ok(cosine >= -1 && cosine <= 1);
      }),
    );
  });

  test('absolute and ULP distance do not depend on which of the two is the reference', () => {
    fc.assert(
      fc.property(pairs(ALL), ([a, b]) => {
        const [there, back] = [distance(a, b), distance(b, a)];
        assert.equal(there.maxAbsolute, back.maxAbsolute);
        assert.equal(there.meanAbsolute, back.meanAbsolute);
        assert.equal(there.maxUlp, back.maxUlp);
      }),
    );
  });

  test('identical bits have no distance and meet every limit', () => {
    fc.assert(
      fc.property(pairs(ALL), ([a]) => {
        const found = distance(a, { ...a, data: a.data.slice() });
        assert.deepEqual({ ...found, cosine: 0 }, { ...found, ...NOTHING });
        const limits = { absolute: 0, relative: 0, ulp: 0, cosine: 1, topK: 2 };
        assert.equal(verdict(a, a, limits), 'pass');
      }),
    );
  });

  test('no tolerance excuses a NaN or an infinity in place of a number, nor the other way round', () => {
    const generous = { absolute: 1e300, relative: 1e300, ulp: 2 ** 52, cosine: -1 };
    fc.assert(
      fc.property(pairs(FLOATS), ([a, b]) => {
        const [left, right] = [elementsOf(a).map(Number), elementsOf(b).map(Number)];
        const apart = left.some(
          (x, i) => !Object.is(x, right[i]) && !(Number.isFinite(x) && Number.isFinite(right[i])),
        );
        if (apart) assert.equal(verdict(a, b, generous), 'refuse');
      }),
      { numRuns: 300 },
    );
  });

  test('an absolute tolerance of the largest distance is met, of anything less is not', () => {
    fc.assert(
      fc.property(pairs(ALL), ([a, b]) => {
        const { maxAbsolute } = distance(a, b);
        fc.pre(Number.isFinite(maxAbsolute) && maxAbsolute > 0);
        assert.equal(qualityOf(a, b, { absolute: maxAbsolute }).beyond, 0);
        assert.ok(qualityOf(a, b, { absolute: maxAbsolute * (1 - 2 ** -52) }).beyond > 0);
      }),
    );
  });
});

const NOTHING = {
  maxAbsolute: 0,
  meanAbsolute: 0,
  maxRelative: 0,
  meanRelative: 0,
  maxUlp: 0,
  lost: 0,
  cosine: 0,
};

describe('units in the last place', () => {
  test('all 65536 half floats lie in the order of their values', () => {
    const lowest = tensor('y', 'FP16', [Number.NEGATIVE_INFINITY]);
    const halves = Array.from({ length: 0x10000 }, (_, raw) =>
      ofBits('FP16', Uint8Array.of(raw & 255, raw >> 8)),
    ).filter((half) => Number.isFinite(Number(elementsOf(half)[0])));
    const least = halves.find((half) => Number(elementsOf(half)[0]) === -65504) ?? lowest;
    const placed = halves
      .map((half) => ({ value: Number(elementsOf(half)[0]), ulp: distance(least, half).maxUlp }))
      .sort((a, b) => a.ulp - b.ulp);
    assert.equal(placed.length, 2 * 31 * 1024);
    assert.ok(placed.every(({ value }, i) => i === 0 || value >= (placed[i - 1]?.value ?? 0)));
    assert.equal(placed.at(-1)?.ulp, 2 * 31 * 1024 - 2, 'the two zeros share a place');
  });

  test('n floats further on is n', () => {
    const steps = fc.integer({ min: 1, max: 1000 });
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 0x7f7fff00 }), steps, (raw, n) => {
        fc.pre(raw + n < 0x7f800000);
        const at = (bits: number) => ofBits('FP32', new Uint8Array(Uint32Array.of(bits).buffer));
        assert.equal(distance(at(raw), at(raw + n)).maxUlp, n);
        assert.equal(distance(at(raw), at((raw + 0x80000000) >>> 0)).maxUlp, 2 * raw);
      }),
    );
  });
});

describe('special values', () => {
  const of = (values: readonly number[], datatype: Datatype = 'FP32') =>
    tensor('y', datatype, values);
  const { NaN: nan, POSITIVE_INFINITY: infinity } = Number;

  const rows: readonly (readonly [string, Tensor, Tensor, Partial<NumericDistance>])[] = [
    ['zeros of two signs', of([0, 1]), of([-0, 1]), { ...NOTHING, cosine: 1 }],
    [
      'NaNs of two payloads',
      ofBits('FP32', Uint8Array.of(0, 0, 192, 127)),
      ofBits('FP32', Uint8Array.of(1, 0, 192, 255)),
      { ...NOTHING, cosine: 1 },
    ],
    ['a NaN for a number', of([1, 2]), of([nan, 2]), { maxAbsolute: infinity, lost: 1, cosine: 0 }],
    ['a number for a NaN', of([nan]), of([1]), { maxRelative: infinity, lost: 0, cosine: 0 }],
    ['a number for an infinity', of([infinity]), of([1]), { maxRelative: infinity, lost: 0 }],
    ['infinities of two signs', of([infinity]), of([-infinity]), { maxUlp: infinity, cosine: 0 }],
    ['equal infinities beside numbers', of([infinity, 3]), of([infinity, 6]), { cosine: 1 }],
    ['NaNs for numbers', of([1, 2, 3]), of([nan, 2, infinity]), { lost: 2, gained: 0 }],
    ['numbers for NaNs', of([nan, 2, infinity]), of([1, 2, 3]), { lost: 0, gained: 2 }],
    ['a NaN for an infinity', of([infinity]), of([nan]), { lost: 0, gained: 0 }],
    ['numbers for zeros', of([0, 0]), of([1, 2]), { cosine: 0 }],
    ['zeros for numbers', of([1, 2]), of([0, 0]), { cosine: 0 }],
    ['a number for zero', of([0]), of([2 ** -149]), { maxUlp: 1, maxRelative: infinity }],
    ['squares beyond FP64', of([1e300, 0], 'FP64'), of([1e300, 1e300], 'FP64'), { lost: 0 }],
    ['opposite vectors', of([1, 2]), of([-1, -2]), { cosine: -1 }],
    ['an empty tensor', of([]), of([]), { ...NOTHING, cosine: 1 }],
  ];
  for (const [name, a, b, expected] of rows) {
    test(name, () => {
      const found = distance(a, b);
      assert.deepEqual({ ...found, ...expected }, found);
    });
  }

  test('a cosine of huge and of tiny numbers is that of the numbers scaled', () => {
    for (const scale of [1e300, 1e-300]) {
      const { cosine } = distance(of([scale, 0], 'FP64'), of([scale, scale], 'FP64'));
      assert.ok(Math.abs(cosine - Math.SQRT1_2) < 1e-15);
    }
  });

  test('64-bit integers are compared exactly', () => {
    const big = (value: bigint) => tensor('y', 'INT64', [value]);
    const [a, b] = [big(2n ** 60n), big(2n ** 60n + 1n)];
    assert.equal(distance(a, b).maxAbsolute, 1);
    assert.equal(verdict(a, b, { absolute: 0 }), 'refuse');
    assert.equal(verdict(a, b, { absolute: 1 }), 'pass');
    const lowest = big(-(2n ** 63n));
    assert.equal(distance(lowest, big(2n ** 63n - 1n)).maxAbsolute, 2 ** 64);
  });

  test('an infinity is within no relative tolerance of a number', () => {
    assert.equal(verdict(of([infinity]), of([1]), { relative: 0.5 }), 'refuse');
  });

  test('booleans and text are equal or not', () => {
    const truth = tensor('y', 'BOOL', [true, false]);
    assert.equal(verdict(truth, tensor('y', 'BOOL', [true, true]), { absolute: 9 }), 'refuse');
    const { first } = outputDistance(tensor('y', 'BYTES', ['a']), tensor('y', 'BYTES', ['b']));
    assert.deepEqual(first, { index: 0, reference: 'a', actual: 'b' });
  });
});

describe('top-k', () => {
  const { NaN: nan } = Number;
  const agree = (
    a: readonly number[],
    b: readonly number[],
    k: number,
    shape?: readonly number[],
  ) => qualityOf(tensor('y', 'FP32', a, shape), tensor('y', 'FP32', b, shape), { topK: k }).topK;

  test('of rows along the last axis', () => {
    assert.deepEqual(agree([1, 2, 4, 3], [1, 2, 3, 4], 1, [2, 2]), { k: 1, agree: 1, rows: 2 });
    assert.deepEqual(agree([1, 2, 4, 3], [1, 2, 3, 4], 1, [4]), { k: 1, agree: 0, rows: 1 });
  });
  test('more than there are: all, in order', () => {
    assert.equal(agree([3, 1, 2], [30, 10, 20], 9)?.agree, 1);
  });
  test('equal elements rank by position', () => assert.equal(agree([5, 5], [6, 5], 1)?.agree, 1));
  test('NaN ranks first', () => {
    assert.equal(agree([1, nan, 3], [1, nan, 9], 2)?.agree, 1);
    assert.equal(agree([1, 2, 3], [nan, 2, 3], 1)?.agree, 0);
  });
  test('a scalar is one row of one, an empty tensor has no rows', () => {
    assert.deepEqual(agree([1], [2], 1, []), { k: 1, agree: 1, rows: 1 });
    assert.deepEqual(agree([], [], 1, [3, 0]), { k: 1, agree: 0, rows: 0 });
  });
  test('does not depend on a scale', () => {
    const row = fc.uniqueArray(fc.integer({ min: -1000, max: 1000 }), {
      minLength: 1,
      maxLength: 8,
    });
    fc.assert(
      fc.property(row, fc.integer({ min: 1, max: 9 }), (values, k) => {
        const scaled = values.map((value) => value * 4 + 1);
        assert.equal(agree(values, scaled, k)?.agree, 1);
      }),
    );
  });
});
