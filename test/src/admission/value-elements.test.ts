import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { readModel } from '../../../attestation/model/onnx.js';
import { Scope } from '../../../attestation/model/scope.js';
import { ValueElements } from '../../../src/admission/value-elements.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { NodeInit } from '../../forge/onnx-init.js';
import { fc } from '../../property.js';

const { int32, int64, float, bool } = dataType;
const SIZE = 3;
const [LEAST, MOST] = [-(2n ** 63n), 2n ** 63n - 1n];
/** Where integers and their conversions change their ways. */
const EDGES = [
  ...[LEAST, LEAST + 1n, -(2n ** 31n) - 1n, -(2n ** 31n), -256n, -2n, -1n, 0n],
  ...[1n, 2n, 3n, 255n, 2n ** 31n - 1n, 2n ** 31n, 2n ** 53n, MOST - 1n, MOST],
];

/** Nodes that compute `v{index}` of 64 bits from values `a` and `b` of the same kind; `w…` are in between. */
type Step = (index: number, a: string, b: string) => readonly NodeInit[];

const direct =
  (op: string, attributes?: NodeInit['attributes']): Step =>
  (index, a, b) => [
    {
      op,
      inputs: ['Neg', 'Abs', 'Sign', 'Identity'].includes(op) ? [a] : [a, b],
      outputs: [`v${index}`],
      ...(attributes === undefined ? {} : { attributes }),
    },
  ];

/** Through a type of its own and back. */
const through =
  (type: number): Step =>
  (index, a) => [
    { op: 'Cast', inputs: [a], outputs: [`w${index}`], attributes: { to: { i: type } } },
    { op: 'Cast', inputs: [`w${index}`], outputs: [`v${index}`], attributes: { to: { i: int64 } } },
  ];

/** By what cannot be 0 or less. */
const byPositive =
  (op: string): Step =>
  (index, a, b) => [
    { op: 'Max', inputs: [b, 'one'], outputs: [`w${index}`] },
    { op, inputs: [a, `w${index}`], outputs: [`v${index}`] },
  ];

const STEPS: readonly Step[] = [
  ...['Add', 'Sub', 'Mul', 'Max', 'Min', 'Neg', 'Abs', 'Sign', 'Identity'].map((op) => direct(op)),
  ...[int32, bool, dataType.int8, dataType.uint8, dataType.uint32].map(through),
  byPositive('Div'),
  byPositive('Mod'),
  (index, a) => [{ op: 'Clip', inputs: [a, 'one', 'limit'], outputs: [`v${index}`] }],
  (index, a) => [{ op: 'Clip', inputs: [a, '', 'limit'], outputs: [`v${index}`] }],
  (index, a, b) => [{ op: 'Where', inputs: ['flag', a, b], outputs: [`v${index}`] }],
  (index, a, b) => [
    { op: 'Less', inputs: [a, b], outputs: [`w${index}`] },
    { op: 'Cast', inputs: [`w${index}`], outputs: [`v${index}`], attributes: { to: { i: int64 } } },
  ],
  (index, a) => [
    { op: 'ReduceSum', inputs: [a], outputs: [`w${index}`] },
    { op: 'Expand', inputs: [`w${index}`, 'three'], outputs: [`v${index}`] },
  ],
  (index, a) => [
    { op: 'Size', inputs: [a], outputs: [`w${index}`] },
    { op: 'Expand', inputs: [`w${index}`, 'three'], outputs: [`v${index}`] },
  ],
  (index, _, b) => [
    { op: 'Cast', inputs: ['real'], outputs: [`w${index}`], attributes: { to: { i: int64 } } },
    { op: 'Max', inputs: [`w${index}`, b], outputs: [`v${index}`] },
  ],
];

const integer = fc.oneof(fc.constantFrom(...EDGES), fc.bigInt({ min: LEAST, max: MOST }));
const triple = fc.tuple(integer, integer, integer);
const step = fc.record({
  operator: fc.constantFrom(...STEPS),
  a: fc.nat(1000),
  b: fc.nat(1000),
});

const STARTS = ['p', 'q', 'one', 'limit', 'drawn'];
const constant = (name: string, int64s: readonly bigint[], dims: readonly number[]) => ({
  name,
  type: int64,
  dims,
  int64s,
});

test('every integer that ONNX Runtime computes lies within the bounds that were told before', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { minLength: 1, maxLength: 12 }),
      triple,
      triple,
      triple,
      fc.tuple(fc.double(), fc.double(), fc.double()),
      async (steps, p, q, drawn, real) => {
        const names = [...STARTS];
        const nodes = steps.flatMap(({ operator, a, b }, index) => {
          const made = operator(
            index,
            names[a % names.length] ?? '',
            names[b % names.length] ?? '',
          );
          names.push(`v${index}`);
          return made;
        });
        const outputs = steps.map((_, index) => `v${index}`);
        const bytes = encodeModel({
          irVersion: 9,
          opsets: { '': 20 },
          graph: {
            inputs: [
              { name: 'p', type: { tensor: int64, shape: [SIZE] } },
              { name: 'q', type: { tensor: int64, shape: [SIZE] } },
              { name: 'real', type: { tensor: float, shape: [SIZE] } },
              { name: 'flag', type: { tensor: bool, shape: [SIZE] } },
            ],
            initializers: [
              constant('one', [1n], []),
              constant('limit', [1000n], []),
              constant('three', [BigInt(SIZE)], [1]),
              constant('drawn', drawn, [SIZE]),
            ],
            nodes,
            outputs: outputs.map((name) => ({ name, type: { tensor: int64 } })),
          },
        });
        const session = await InferenceSession.create(bytes, {
          graphOptimizationLevel: 'disabled',
        });
        const results = await session.run({
          p: new Tensor('int64', BigInt64Array.from(p), [SIZE]),
          q: new Tensor('int64', BigInt64Array.from(q), [SIZE]),
          real: new Tensor('float32', Float32Array.from(real), [SIZE]),
          flag: new Tensor('bool', Uint8Array.of(1, 0, 1), [SIZE]),
        });
        const model = readModel(bytes);
        const told = new ValueElements({
          functions: new Map(),
          files: new Map(),
          visit: () => undefined,
          skip: () => undefined,
          calledParts: 0,
          constants: new Map(),
        }).walk(Scope.ofGraph(model.graph, model.opsets, model.irVersion));
        outputs.forEach((name, index) => {
          const { type, least, most } = told[index] ?? assert.fail('no bounds');
          assert.equal(type, int64);
          for (const element of results[name]?.data ?? []) {
            const within = BigInt(element) >= least && BigInt(element) <= most;
            assert.ok(within, `${name}: ${element} is not within ${least} and ${most}`);
          }
        });
      },
    ),
    { numRuns: 60 },
  );
});
