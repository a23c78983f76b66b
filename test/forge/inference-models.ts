import type { InferenceRequest } from '../../src/engine/engine.js';
import { dataType, encodeModel } from './onnx.js';
import { pseudoRandom } from './random.js';

/** ONNX's types by the protocol's names: all that ONNX Runtime for Node can carry. */
export const ONNX_TYPES = {
  BOOL: dataType.bool,
  UINT8: dataType.uint8,
  UINT16: dataType.uint16,
  UINT32: dataType.uint32,
  UINT64: dataType.uint64,
  INT8: dataType.int8,
  INT16: dataType.int16,
  INT32: dataType.int32,
  INT64: dataType.int64,
  FP16: dataType.float16,
  FP32: dataType.float,
  FP64: dataType.double,
  BYTES: dataType.string,
} as const;

type Shape = readonly (number | string)[];

/** output = input; `null` declares it without a word of dimensions. */
export function identityModel(
  datatype: keyof typeof ONNX_TYPES,
  shape: Shape | null = ['n', 2],
): Uint8Array<ArrayBuffer> {
  const type = { tensor: ONNX_TYPES[datatype], ...(shape && { shape }) };
  return encodeModel({
    graph: {
      inputs: [{ name: 'input', type }],
      outputs: [{ name: 'output', type }],
      nodes: [{ op: 'Identity', inputs: ['input'], outputs: ['output'] }],
    },
  });
}

/** A request of `identityModel('FP32')`: one row. */
export const rowOf = (values: readonly number[]): InferenceRequest => ({
  inputs: [
    {
      name: 'input',
      datatype: 'FP32',
      shape: [1, values.length],
      data: new Uint8Array(Float32Array.from(values).buffer),
    },
  ],
  outputs: ['output'],
});

/** The same: one row, twice the value. */
export const identityRow = (value: number): InferenceRequest => rowOf([value, value]);

/** sum = a + b, difference = a - b; `a` and `b` are FP32 [n, 3]. */
export function arithmeticModel(): Uint8Array<ArrayBuffer> {
  const type = { tensor: dataType.float, shape: ['n', 3] };
  return encodeModel({
    graph: {
      inputs: [
        { name: 'a', type },
        { name: 'b', type },
      ],
      outputs: [
        { name: 'sum', type },
        { name: 'difference', type },
      ],
      nodes: [
        { op: 'Add', inputs: ['a', 'b'], outputs: ['sum'] },
        { op: 'Sub', inputs: ['a', 'b'], outputs: ['difference'] },
      ],
    },
  });
}

/** Fully connected layers of the given widths with ReLU between: FP32 [n, first] → [n, last]. */
export function mlpModel(widths: readonly number[], seed = 1): Uint8Array<ArrayBuffer> {
  const random = pseudoRandom(seed);
  const layers = widths.slice(1).map((columns, index) => ({ rows: widths[index] ?? 1, columns }));
  const floats = (count: number, scale: number): number[] =>
    Array.from({ length: count }, () => random() * scale);
  const last = layers.length - 1;
  const name = (layer: number): string => (layer === last ? 'output' : `layer${layer}`);
  return encodeModel({
    graph: {
      inputs: [{ name: 'input', type: { tensor: dataType.float, shape: ['n', widths[0] ?? 1] } }],
      outputs: [
        { name: 'output', type: { tensor: dataType.float, shape: ['n', widths.at(-1) ?? 1] } },
      ],
      initializers: layers.flatMap(({ rows, columns }, i) => [
        {
          name: `w${i}`,
          type: dataType.float,
          dims: [rows, columns],
          floats: floats(rows * columns, 1 / Math.sqrt(rows)),
        },
        { name: `b${i}`, type: dataType.float, dims: [columns], floats: floats(columns, 0.1) },
      ]),
      nodes: layers.flatMap((_, i) => {
        const input = i === 0 ? 'input' : `relu${i - 1}`;
        return [
          { op: 'Gemm', inputs: [input, `w${i}`, `b${i}`], outputs: [name(i)] },
          ...(i === last ? [] : [{ op: 'Relu', inputs: [name(i)], outputs: [`relu${i}`] }]),
        ];
      }),
    },
  });
}

/** A loop of as many turns as its input says, INT64 [1] → FP32 [1]: a million take seconds. */
export function loopModel(): Uint8Array<ArrayBuffer> {
  const scalar = (tensor: number) => ({ tensor, shape: [] });
  const one = { tensor: dataType.float, shape: [1] };
  const body = {
    inputs: [
      { name: 'turn', type: scalar(dataType.int64) },
      { name: 'again', type: scalar(dataType.bool) },
      { name: 'value', type: one },
    ],
    outputs: [
      { name: 'more', type: scalar(dataType.bool) },
      { name: 'next', type: one },
    ],
    nodes: [
      { op: 'Identity', inputs: ['again'], outputs: ['more'] },
      { op: 'Cos', inputs: ['value'], outputs: ['next'] },
    ],
  };
  return encodeModel({
    graph: {
      inputs: [{ name: 'input', type: { tensor: dataType.int64, shape: [1] } }],
      outputs: [{ name: 'output', type: one }],
      initializers: [
        { name: 'true', type: dataType.bool, dims: [], int32s: [1] },
        { name: 'zero', type: dataType.float, dims: [1], floats: [0] },
        { name: 'none', type: dataType.int64, dims: [0], raw: new Uint8Array() },
      ],
      nodes: [
        { op: 'Reshape', inputs: ['input', 'none'], outputs: ['turns'] },
        {
          op: 'Loop',
          inputs: ['turns', 'true', 'zero'],
          outputs: ['output'],
          attributes: { body: { g: body } },
        },
      ],
    },
    opsets: { '': 18 },
  });
}
