import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Agreement } from '../../../src/client/agreement.js';
import type { Datatype } from '../../../src/client/datatype.js';
import type { Limits } from '../../../src/client/quality.js';
import { type Tensor, tensor } from '../../../src/client/tensor.js';
import { judgeReplay, type ReplayVerdict } from '../../../src/replay/replay.js';
import { servedModel } from '../../forge/enclave.js';

const { profile } = servedModel('any', 1);

const of = (datatype: Datatype, values: readonly unknown[], shape?: readonly number[]): Tensor =>
  tensor('y', datatype, values, shape);
const float = (...bits: readonly number[]): Tensor => ({
  ...of(
    'FP32',
    bits.map(() => 0),
  ),
  data: new Uint8Array(Uint32Array.from(bits).buffer),
});
const half = (...bits: readonly number[]): Tensor => ({
  ...of(
    'FP16',
    bits.map(() => 0),
  ),
  data: new Uint8Array(Uint16Array.from(bits).buffer),
});

const GENEROUS: Agreement = { default: { absolute: 1, relative: 1, cosine: -1 } };

/** The index of the first element that differs, and what was attested and replayed there. */
type First = readonly [number, string, string] | undefined;

/** Attested, replayed, the verdict without and with a generous tolerance, the first difference. */
type Row = readonly [string, Tensor, Tensor, ReplayVerdict, ReplayVerdict, First];

const rows: readonly Row[] = [
  ['equal floats', of('FP32', [1, -2]), of('FP32', [1, -2]), 'identical', 'identical', undefined],
  ['equal NaNs', float(0x7fc00001), float(0x7fc00001), 'identical', 'identical', undefined],
  [
    'NaNs of other payloads',
    float(0x3f800000, 0x7fc00001),
    float(0x3f800000, 0x7fc00002),
    'contradiction',
    'within',
    [1, 'NaN (0x7fc00001)', 'NaN (0x7fc00002)'],
  ],
  [
    'zeros of two signs',
    of('FP32', [-0]),
    of('FP32', [0]),
    'contradiction',
    'within',
    [0, '-0', '0'],
  ],
  [
    'neighbouring subnormal numbers',
    float(1),
    float(2),
    'contradiction',
    'within',
    [0, '1.401298464324817e-45', '2.802596928649634e-45'],
  ],
  [
    'a NaN for a number',
    of('FP32', [1, 2, 3]),
    of('FP32', [1, 2, Number.NaN]),
    'contradiction',
    'contradiction',
    [2, '3', 'NaN'],
  ],
  [
    'an infinity for a number',
    of('FP64', [1e308]),
    of('FP64', [Number.POSITIVE_INFINITY]),
    'contradiction',
    'contradiction',
    [0, '1e+308', 'Infinity'],
  ],
  ['a half', half(0x3c00), half(0x3c01), 'contradiction', 'within', [0, '1', '1.0009765625']],
  [
    'an overflow of halves',
    half(0x7bff),
    half(0x7c00),
    'contradiction',
    'contradiction',
    [0, '65504', 'Infinity'],
  ],
  [
    'booleans',
    of('BOOL', [true, true]),
    of('BOOL', [true, false]),
    'contradiction',
    'contradiction',
    [1, 'true', 'false'],
  ],
  [
    'text',
    of('BYTES', ['a', '']),
    of('BYTES', ['a', 'b']),
    'contradiction',
    'contradiction',
    [1, '', 'b'],
  ],
  [
    'text cut elsewhere',
    of('BYTES', ['ab', 'c']),
    of('BYTES', ['a', 'bc']),
    'contradiction',
    'contradiction',
    [0, 'ab', 'a'],
  ],
  [
    'large integers that no double tells apart',
    of('INT64', [2n ** 62n]),
    of('INT64', [2n ** 62n + 1n]),
    'contradiction',
    'within',
    [0, '4611686018427387904', '4611686018427387905'],
  ],
  [
    'no elements',
    of('FP32', [], [0, 4]),
    of('FP32', [], [0, 4]),
    'identical',
    'identical',
    undefined,
  ],
  [
    'no elements, in other shapes',
    of('FP32', [], [0, 4]),
    of('FP32', [], [4, 0]),
    'contradiction',
    'contradiction',
    undefined,
  ],
  [
    'a scalar and a vector of one',
    of('FP32', [1], []),
    of('FP32', [1], [1]),
    'contradiction',
    'contradiction',
    undefined,
  ],
  [
    'another datatype of the same bits',
    of('INT32', [1]),
    of('UINT32', [1]),
    'contradiction',
    'contradiction',
    undefined,
  ],
];

describe('a replay in the attested profile', () => {
  for (const [name, attested, replayed, strict, tolerant, first] of rows) {
    test(name, () => {
      const judge = (agreement?: Agreement) =>
        judgeReplay({ outputs: [attested], profile }, { outputs: [replayed], profile }, agreement);
      const { verdict, relation } = judge();
      assert.deepEqual([verdict, judge(GENEROUS).verdict], [strict, tolerant]);
      if (first === undefined) {
        assert.ok(relation.kind === 'identical' || relation.kind === 'incomparable');
        return;
      }
      const [output] = 'outputs' in relation ? relation.outputs : [];
      const [index, actual, reference] = first;
      assert.deepEqual(output?.first, { index, reference, actual });
    });
  }

  test('a difference in the second output alone is told of that one', () => {
    const other = (value: number): Tensor => ({ ...of('FP32', [value]), name: 'z' });
    const { verdict, relation } = judgeReplay(
      { outputs: [of('FP32', [1]), other(1)], profile },
      { outputs: [of('FP32', [1]), other(2)], profile },
      undefined,
    );
    assert.equal(verdict, 'contradiction');
    const outputs = 'outputs' in relation ? relation.outputs : [];
    assert.deepEqual(
      outputs.map(({ name, differing }) => [name, differing]),
      [
        ['y', 0],
        ['z', 1],
      ],
    );
  });

  test('a missing output contradicts', () => {
    const y = of('FP32', [1]);
    const judged = judgeReplay({ outputs: [y, y], profile }, { outputs: [y], profile }, GENEROUS);
    assert.equal(judged.verdict, 'contradiction');
  });
});

describe('no tolerance excuses a NaN or an infinity of one side where the other has a number', () => {
  const limits: Readonly<Record<string, Limits>> = {
    'the largest element': { topK: 1 },
    'the direction': { cosine: -1 },
    'steps between floats': { ulp: Number.MAX_VALUE },
    'the distance': { absolute: Number.MAX_VALUE, relative: 1 },
  };
  for (const [name, limit] of Object.entries(limits)) {
    for (const value of [Number.NaN, Number.POSITIVE_INFINITY]) {
      test(`${value}, where limits are on ${name}`, () => {
        const [number, none] = [of('FP32', [5, 1]), of('FP32', [value, 1])];
        const judge = (attested: Tensor, replayed: Tensor): ReplayVerdict =>
          judgeReplay(
            { outputs: [attested], profile },
            { outputs: [replayed], profile },
            {
              default: limit,
            },
          ).verdict;
        assert.equal(judge(none, number), 'contradiction', 'attested');
        assert.equal(judge(number, none), 'contradiction', 'replayed');
        const close = of('FP32', [5.000001, 1]);
        assert.equal(judge(number, close), 'within', 'no such value');
      });
    }
  }
});

test('what was attested does not widen the tolerance that it is judged by', () => {
  const judge = (attested: number, replayed: number): ReplayVerdict =>
    judgeReplay(
      { outputs: [of('FP32', [attested])], profile },
      { outputs: [of('FP32', [replayed])], profile },
      { default: { relative: 0.5 } },
    ).verdict;
  assert.equal(judge(1, 2), 'within');
  assert.equal(judge(2, 1), 'contradiction');
});

test('another profile excuses other bits without a tolerance, never another shape', () => {
  const elsewhere = { ...profile, kernels: new Uint8Array(32).fill(1) };
  const judge = (replayed: Tensor, agreement?: Agreement) =>
    judgeReplay(
      { outputs: [of('FP32', [9])], profile },
      { outputs: [replayed], profile: elsewhere },
      agreement,
    ).verdict;
  assert.equal(judge(of('FP32', [1])), 'inconclusive');
  assert.equal(judge(of('FP32', [1]), GENEROUS), 'contradiction');
  assert.equal(judge(of('FP32', [1, 1])), 'contradiction');
});

test('a publisher’s tolerances are judged by, and named, where nobody gives others', () => {
  const tolerances = { agreement: GENEROUS, path: 'package/tolerances.json' };
  const judge = (agreement?: Agreement) => {
    const attested = { outputs: [of('FP32', [1])], profile };
    const replayed = { outputs: [of('FP32', [1.5])], profile, tolerances };
    const { verdict, tolerances: named } = judgeReplay(attested, replayed, agreement);
    return [verdict, named];
  };
  assert.deepEqual(judge(), ['within', tolerances.path]);
  assert.deepEqual(judge({ default: { absolute: 0.1 } }), ['contradiction', null]);
});
