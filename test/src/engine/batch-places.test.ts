import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { LoadedModel } from '../../../src/engine/engine.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { ELEMENT_BYTES, elementCount } from '../../../src/engine/tensor.js';
import { mlpModel, ONNX_TYPES } from '../../forge/inference-models.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { NodeInit, TensorInit } from '../../forge/onnx-init.js';
import { pseudoRandom } from '../../forge/random.js';

/** So many elements of a row, of values that callers send and few samples have. */
type Draw = (count: number, random: () => number) => Uint8Array;

interface Case {
  readonly datatype?: 'FP16' | 'FP32' | 'FP64' | 'INT64';
  /** Of the input after the rows, and of the output: `['n', ...]`. */
  readonly tail: readonly number[];
  readonly output?: readonly (number | string)[];
  readonly nodes: readonly NodeInit[];
  readonly initializers?: readonly TensorInit[];
  readonly draw: Draw;
}

const below = (count: number, random: () => number): number =>
  Math.min(count - 1, Math.floor(((random() + 1) / 2) * count));

const floats =
  (most: number): Draw =>
  (count, random) =>
    new Uint8Array(Float32Array.from({ length: count }, () => most * random()).buffer);

const integers =
  (most: number): Draw =>
  (count, random) =>
    new Uint8Array(BigInt64Array.from({ length: count }, () => BigInt(below(most, random))).buffer);

/** NaN, a signalling one, infinities, zeros of both signs, 1, -1 and 50. */
const SPECIALS = {
  FP16: Uint16Array.of(0x7e00, 0x7c01, 0x7c00, 0xfc00, 0, 0x8000, 0x3c00, 0xbc00, 0x5240),
  FP32: Uint32Array.of(
    ...[0x7fc00000, 0x7f800001, 0x7f800000, 0xff800000, 0, 0x80000000, 0x3f800000, 0xbf800000],
    0x42480000,
  ),
  FP64: BigUint64Array.of(
    ...[0x7ff8000000000000n, 0x7ff0000000000001n, 0x7ff0000000000000n, 0xfff0000000000000n],
    ...[0n, 0x8000000000000000n, 0x3ff0000000000000n, 0xbff0000000000000n, 0x4049000000000000n],
  ),
};

const specials =
  (datatype: keyof typeof SPECIALS = 'FP32'): Draw =>
  (count, random) => {
    const { buffer, BYTES_PER_ELEMENT: size, length } = SPECIALS[datatype];
    const parts = Array.from({ length: count }, () => {
      const at = size * below(length, random);
      return new Uint8Array(buffer, at, size);
    });
    return Buffer.concat(parts);
  };

const constants = (...values: readonly (readonly [string, number])[]): readonly TensorInit[] =>
  values.map(([name, value]) => ({ name, type: dataType.float, dims: [], floats: [value] }));

const axes = (...values: readonly number[]): readonly TensorInit[] => [
  { name: 'axes', type: dataType.int64, dims: [values.length], int64s: values.map(BigInt) },
];

const one = (
  op: string,
  inputs: readonly string[] = [],
  attributes: NodeInit['attributes'] = {},
): readonly NodeInit[] => [{ op, inputs: ['input', ...inputs], outputs: ['output'], attributes }];

const toFloat: NodeInit = {
  op: 'Cast',
  inputs: ['input'],
  outputs: ['x'],
  attributes: { to: { i: dataType.float } },
};

/** Sines and cosines of a time at so many frequencies. */
const timestep = (half: number): Case => ({
  datatype: 'INT64',
  tail: [1],
  output: ['n', 2 * half],
  nodes: [
    toFloat,
    { op: 'Mul', inputs: ['x', 'frequencies'], outputs: ['a'] },
    { op: 'Sin', inputs: ['a'], outputs: ['s'] },
    { op: 'Cos', inputs: ['a'], outputs: ['c'] },
    { op: 'Concat', inputs: ['s', 'c'], outputs: ['output'], attributes: { axis: { i: 1 } } },
  ],
  initializers: [
    {
      name: 'frequencies',
      type: dataType.float,
      dims: [1, half],
      floats: Array.from({ length: half }, (_, i) => 10_000 ** (-i / half)),
    },
  ],
  draw: integers(1000),
});

const sineOfTable: Case = {
  datatype: 'INT64',
  tail: [3],
  nodes: [
    { op: 'Gather', inputs: ['table', 'input'], outputs: ['x'] },
    { op: 'Sin', inputs: ['x'], outputs: ['output'] },
  ],
  initializers: [
    {
      name: 'table',
      type: dataType.float,
      dims: [200],
      floats: Array.from({ length: 200 }, (_, i) => (i < 2 ? i : i * 0.7)),
    },
  ],
  draw: integers(200),
};

const maxOfZero = (width: number): Case => ({
  tail: [width],
  nodes: one('Max', ['zero']),
  initializers: constants(['zero', 0]),
  draw: specials(),
});

const reduce = (op: string, width: number): Case => ({
  tail: [width],
  output: ['n', 1],
  nodes: one(op, ['axes']),
  initializers: axes(1),
  draw: specials(),
});

const image = (
  nodes: readonly NodeInit[],
  [height, width]: readonly [number, number],
  channels = 3,
): Case => ({
  tail: [3, 5, 5],
  output: ['n', channels, height, width],
  nodes,
  initializers: [
    {
      name: 'weights',
      type: dataType.float,
      dims: [4, 3, 3, 3],
      floats: Array.from({ length: 108 }, (_, i) => (((i * 37) % 11) - 5) / 7),
    },
  ],
  draw: specials(),
});

const cases: Readonly<Record<string, Case>> = {
  ...Object.fromEntries([3, 5, 7, 11].map((half) => [`timesteps, ${half} pairs`, timestep(half)])),
  'log1p of counts': {
    datatype: 'INT64',
    tail: [3],
    nodes: [
      toFloat,
      { op: 'Add', inputs: ['x', 'one'], outputs: ['a'] },
      { op: 'Log', inputs: ['a'], outputs: ['output'] },
    ],
    initializers: constants(['one', 1]),
    draw: integers(5000),
  },
  'sine of places in a table': sineOfTable,
  'Sin of one float': { tail: [1], nodes: one('Sin'), draw: floats(10) },
  ...Object.fromEntries([5, 10, 33].map((width) => [`Max(x, 0) of ${width}`, maxOfZero(width)])),
  'Max, then Min': {
    tail: [7],
    nodes: [
      { op: 'Max', inputs: ['input', 'zero'], outputs: ['a'] },
      { op: 'Min', inputs: ['a', 'six'], outputs: ['output'] },
    ],
    initializers: constants(['zero', 0], ['six', 6]),
    draw: specials(),
  },
  'ReduceMax of planes': {
    ...image(one('ReduceMax', ['axes']), [1, 1]),
    initializers: axes(2, 3),
  },
  ReduceMax: reduce('ReduceMax', 5),
  ReduceMin: reduce('ReduceMin', 5),
  Hardmax: { tail: [5], nodes: one('Hardmax'), draw: specials() },
  Floor: { tail: [5], nodes: one('Floor'), draw: specials() },
  'Floor of FP64': {
    datatype: 'FP64',
    tail: [5],
    nodes: one('Floor'),
    draw: specials('FP64'),
  },
  'Relu of FP16': { datatype: 'FP16', tail: [5], nodes: one('Relu'), draw: specials('FP16') },
  Relu: { tail: [5], nodes: one('Relu'), draw: specials() },
  Clip: {
    tail: [33],
    nodes: one('Clip', ['zero']),
    initializers: constants(['zero', 0]),
    draw: specials(),
  },
  Softmax: { tail: [7], nodes: one('Softmax'), draw: specials() },
  HardSwish: { tail: [7], nodes: one('HardSwish'), draw: specials() },
  Pow: {
    tail: [7],
    nodes: one('Pow', ['exponent']),
    initializers: constants(['exponent', 2.5]),
    draw: specials(),
  },
  Conv: image(one('Conv', ['weights']), [3, 3], 4),
  'Conv, then Relu': image(
    [
      { op: 'Conv', inputs: ['input', 'weights'], outputs: ['c'] },
      { op: 'Relu', inputs: ['c'], outputs: ['output'] },
    ],
    [3, 3],
    4,
  ),
  MaxPool: image(one('MaxPool', [], { kernel_shape: { ints: [2, 2] } }), [4, 4]),
  GlobalAveragePool: image(one('GlobalAveragePool'), [1, 1]),
};

function modelOf({ datatype = 'FP32', tail, output, nodes, initializers = [] }: Case): Uint8Array {
  const tensor = ONNX_TYPES[datatype];
  const result = datatype === 'INT64' ? dataType.float : tensor;
  const used = new Set(nodes.flatMap(({ inputs }) => inputs));
  return encodeModel({
    graph: {
      inputs: [{ name: 'input', type: { tensor, shape: ['n', ...tail] } }],
      outputs: [{ name: 'output', type: { tensor: result, shape: output ?? ['n', ...tail] } }],
      initializers: initializers.filter(({ name = '' }) => used.has(name)),
      nodes,
    },
    opsets: { '': 20 },
  });
}

const engine = await createEngine({ workers: 1 });
test.after(() => engine.close());

const load = (model: Uint8Array) =>
  engine.load(
    { name: 'm', version: '1', model, externalData: [] },
    { operators: [], batching: { sweep: false, maxBatchSize: 16 } },
  );

type Input = Pick<Case, 'datatype' | 'tail' | 'draw'>;

/** Whether rows in one execution, of up to 16, ever have other bits than alone. */
async function differs(loaded: LoadedModel, { datatype = 'FP32', tail, draw }: Input) {
  const random = pseudoRandom(7);
  const infer = async (rows: readonly Uint8Array[]): Promise<Buffer> => {
    const input = { name: 'input', datatype, shape: [rows.length, ...tail] };
    const data = Uint8Array.from(Buffer.concat(rows));
    const { outputs } = await loaded.infer({ inputs: [{ ...input, data }], outputs: ['output'] });
    return Buffer.from(outputs[0]?.data ?? []);
  };
  for (let i = 0; i < 60; i++) {
    const rows = Array.from({ length: 2 + (i % 15) }, () => draw(elementCount(tail), random));
    assert.equal(rows[0]?.length, elementCount(tail) * ELEMENT_BYTES[datatype]);
    const alone: Buffer[] = [];
    for (const row of rows) alone.push(await infer([row]));
    if (!Buffer.concat(alone).equals(await infer(rows))) return true;
  }
  return false;
}

async function judge(model: Uint8Array, input: Input): Promise<void> {
  const loaded = await load(model);
  const { invariance, reason } = loaded.batching;
  const truth = await differs(loaded, input);
  assert.equal(invariance, truth ? 'varies' : 'proven', reason);
  if (truth) assert.match(reason, /^in a batch of \d+, row \d+ differs from the same row alone/);
  await loaded.drain();
}

// Which of them differ is a matter of the processor and of ONNX Runtime's kernels: the first eighteen do on
// x86-64.
for (const [what, model] of Object.entries(cases)) {
  test(`no bit of an answer depends on a row's place in a proven batch: ${what}`, () =>
    judge(modelOf(model), model));
}

test("no bit of an answer depends on a row's place in a proven batch: layers", () =>
  judge(mlpModel([33, 20, 5]), { tail: [33], draw: specials() }));
