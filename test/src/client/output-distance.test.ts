import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { type Agreement, relateAnswers } from '../../../src/client/agreement.js';
import type { Datatype } from '../../../src/client/datatype.js';
import { outputDistance } from '../../../src/client/output-distance.js';
import { tensor } from '../../../src/client/tensor.js';

const of = (datatype: Datatype, values: readonly unknown[], shape?: readonly number[]) =>
  tensor('y', datatype, values, shape);

describe('distance', () => {
  test('of identical bits is nothing, NaN included', () => {
    const y = of('FP32', [1, Number.NaN, -0]);
    assert.deepEqual(relateAnswers([y], [y]), { kind: 'identical' });
  });

  test('counts every bit: zeros of two signs differ, at distance zero', () => {
    const { differing, first, numeric } = outputDistance(of('FP32', [0, 1]), of('FP32', [-0, 1]));
    assert.equal(differing, 1);
    assert.deepEqual(first, { index: 0, reference: '0', actual: '-0' });
    assert.deepEqual([numeric?.maxAbsolute, numeric?.maxUlp], [0, 0]);
  });

  const ulps: readonly (readonly [Datatype, number, number, number])[] = [
    ['FP32', 1, 1 + 2 ** -23, 1],
    ['FP32', -(2 ** -149), 2 ** -149, 2],
    ['FP64', 1, 1 - 2 ** -53, 1],
    ['FP16', 1, 1 + 2 ** -9, 2],
    ['INT32', 5, 2, 3],
    ['INT16', -2, 300, 302],
    ['INT8', -128, 127, 255],
    ['UINT32', 0, 2 ** 32 - 1, 2 ** 32 - 1],
    ['UINT16', 1, 2 ** 16 - 1, 2 ** 16 - 2],
    ['UINT8', 100, 200, 100],
  ];
  for (const [datatype, a, b, expected] of ulps) {
    test(`${a} and ${b} are ${expected} apart in ${datatype}`, () => {
      const found = outputDistance(of(datatype, [0, a]), of(datatype, [0, b]));
      assert.deepEqual([found.differing, found.first?.index], [1, 1]);
      assert.equal(found.numeric?.maxUlp, expected);
    });
  }

  test('has maximum, mean, relative and cosine', () => {
    const { numeric, first } = outputDistance(of('FP64', [2, 4, 4]), of('FP64', [2, 5, 4]));
    assert.equal(numeric?.maxAbsolute, 1);
    assert.equal(numeric?.meanAbsolute, 1 / 3);
    assert.equal(numeric?.maxRelative, 0.25);
    assert.ok(Math.abs((numeric?.cosine ?? 0) - 40 / Math.sqrt(36 * 45)) < 1e-12);
    assert.equal(first?.index, 1);
  });

  test('between a number and a NaN or an infinity is infinite', () => {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      const { numeric } = outputDistance(of('FP32', [1]), of('FP32', [value]));
      assert.equal(numeric?.maxAbsolute, Number.POSITIVE_INFINITY);
      assert.equal(numeric?.maxUlp, Number.POSITIVE_INFINITY);
    }
  });

  test('of text and booleans is only whether they differ', () => {
    const { differing, numeric } = outputDistance(
      of('BYTES', ['a', 'bc']),
      of('BYTES', ['ab', 'c']),
    );
    assert.deepEqual([differing, numeric], [2, null]);
    assert.equal(outputDistance(of('BOOL', [true]), of('BOOL', [false])).numeric, null);
  });

  test('tells elements that read alike by their bits', () => {
    const nan = (bits: number) => ({
      ...of('FP32', [0]),
      data: new Uint8Array(Uint32Array.of(bits).buffer),
    });
    const { differing, first, numeric } = outputDistance(nan(0x7fc00000), nan(0xffc00001));
    assert.deepEqual([differing, numeric?.maxAbsolute], [1, 0]);
    const [reference, actual] = ['NaN (0x7fc00000)', 'NaN (0xffc00001)'];
    assert.deepEqual(first, { index: 0, reference, actual });
    const bytes = of('BYTES', [Uint8Array.of(0xff)]);
    assert.equal(outputDistance(bytes, of('BYTES', ['a'])).first?.reference, 'bytes ff');
  });

  test('of other shapes or datatypes does not exist', () => {
    assert.throws(() => outputDistance(of('FP32', [1]), of('FP64', [1])), { code: 'TENSOR_SHAPE' });
    const relation = relateAnswers([of('FP32', [1, 2])], [of('FP32', [1, 2], [2, 1])]);
    assert.equal(relation.kind, 'incomparable');
    assert.equal(relateAnswers([of('FP32', [1])], []).kind, 'incomparable');
  });
});

describe('limits', () => {
  const a = of('FP32', [10, 20, 30], [1, 3]);
  const b = of('FP32', [10.5, 20, 30], [1, 3]);
  const kind = (limits: NonNullable<Agreement['default']> | undefined, other = b): string =>
    relateAnswers([a], [other], { default: limits }).kind;
  const cases: readonly (readonly [string, Agreement['default'], string])[] = [
    ['none', undefined, 'apart'],
    ['empty', {}, 'apart'],
    ['absolute, met', { absolute: 0.5 }, 'within'],
    ['absolute, missed', { absolute: 0.49 }, 'apart'],
    ['relative, met', { relative: 0.05 }, 'within'],
    ['relative, missed', { relative: 0.049 }, 'apart'],
    ['ulp, missed', { ulp: 1000 }, 'apart'],
    ['cosine, met', { cosine: 0.999 }, 'within'],
    ['cosine, missed', { cosine: 0.99999 }, 'apart'],
    ['top 1, met', { topK: 1 }, 'within'],
  ];
  for (const [name, limits, expected] of cases) {
    test(name, () => assert.equal(kind(limits), expected));
  }
  test('top 1, missed', () =>
    assert.equal(kind({ topK: 1 }, of('FP32', [40, 20, 30], [1, 3])), 'apart'));
  test('identical bits need none', () => assert.equal(kind(undefined, a), 'identical'));
  test('an output of its own limits', () => {
    const outputs = { y: { absolute: 0 } };
    assert.equal(relateAnswers([a], [b], { default: { absolute: 9 } }).kind, 'within');
    assert.equal(relateAnswers([a], [b], { default: { absolute: 9 }, outputs }).kind, 'apart');
  });
  test('equal infinities are within them', () => {
    const { POSITIVE_INFINITY: infinity } = Number;
    const [reference, near] = [1, 1.5].map((last) => of('FP32', [infinity, -infinity, last]));
    assert.ok(reference !== undefined && near !== undefined);
    const limits = { default: { absolute: 0.5, relative: 0 } };
    assert.equal(relateAnswers([reference], [near], limits).kind, 'within');
  });
  test('an output past them is not made good by one after it', () => {
    const answer = (...values: readonly number[]) =>
      values.map((value, i) => tensor(`y${i}`, 'FP32', [value]));
    const limits = { default: { absolute: 0.1 } };
    assert.equal(relateAnswers(answer(1, 1), answer(40, 1.01), limits).kind, 'apart');
  });
  test('an output that is named like a member of every object has the default', () => {
    const answer = (value: number) => [tensor('constructor', 'FP32', [value])];
    const limits = { default: { absolute: 0.5 }, outputs: {} };
    assert.equal(relateAnswers(answer(1), answer(1.5), limits).kind, 'within');
  });
});
