/**
 * The model of the kernel probe, written here so that its bytes depend on nothing else. It has one
 * operator of each family for which ONNX Runtime has a kernel of its own for each instruction set
 * (core/mlas/lib): matrix products of one row and of several, convolutions dense and depthwise, the
 * transcendental functions, reductions, integer products.
 */

/** Protocol Buffers wire format: a key and a varint, or a key, a length and bytes. */
type Field = readonly [number: number, value: number | string | Uint8Array];

function varint(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 128);
  }
}

function message(...fields: readonly Field[]): Uint8Array {
  const parts = fields.map(([number, value]) => {
    if (typeof value === 'number') return Buffer.from([...varint(number << 3), ...varint(value)]);
    const bytes = Buffer.from(value);
    return Buffer.concat([
      Buffer.from([...varint((number << 3) | 2), ...varint(bytes.length)]),
      bytes,
    ]);
  });
  return Buffer.concat(parts);
}

/** TensorProto.DataType */
const ELEMENT = { float: 1, uint8: 2, int8: 3 } as const;
type Element = keyof typeof ELEMENT;

const INT = 2;
const INTS = 7;
/** The fields of onnx.proto that the probe needs, by message. */
const NODE = { input: 1, output: 2, op: 4, attribute: 5 } as const;
const GRAPH = { node: 1, name: 2, initializer: 5, input: 11, output: 12 } as const;

function attribute(name: string, value: number | readonly number[]): Uint8Array {
  return typeof value === 'number'
    ? message([1, name], [3, value], [20, INT])
    : message([1, name], ...value.map((item): Field => [8, item]), [20, INTS]);
}

function node(
  op: string,
  inputs: readonly string[],
  output: string,
  attributes: Readonly<Record<string, number | readonly number[]>> = {},
): Field {
  const fields = [
    ...inputs.map((name): Field => [NODE.input, name]),
    [NODE.output, output] as const,
    [NODE.op, op] as const,
    ...Object.entries(attributes).map(
      ([name, value]): Field => [NODE.attribute, attribute(name, value)],
    ),
  ];
  return [GRAPH.node, message(...fields)];
}

/** A value of the probe: its type and dimensions. */
export interface ProbeTensor {
  readonly name: string;
  readonly element: Element;
  readonly dims: readonly number[];
}

/** What the probe is fed. */
export const PROBE_INPUTS: readonly ProbeTensor[] = [
  { name: 'rows', element: 'float', dims: [5, 67] },
  { name: 'row', element: 'float', dims: [1, 67] },
  { name: 'image', element: 'float', dims: [1, 16, 13, 13] },
  { name: 'bytes', element: 'uint8', dims: [5, 67] },
];

const WEIGHTS: readonly ProbeTensor[] = [
  { name: 'matrix', element: 'float', dims: [67, 35] },
  { name: 'scale', element: 'float', dims: [35] },
  { name: 'filter', element: 'float', dims: [32, 16, 3, 3] },
  { name: 'depth', element: 'float', dims: [32, 1, 3, 3] },
  { name: 'integers', element: 'int8', dims: [67, 35] },
];

const NODES: readonly Field[] = [
  node('MatMul', ['rows', 'matrix'], 'product'),
  node('MatMul', ['row', 'matrix'], 'vector'),
  node('Conv', ['image', 'filter'], 'convolved', { kernel_shape: [3, 3] }),
  node('Conv', ['convolved', 'depth'], 'depthwise', { kernel_shape: [3, 3], group: 32 }),
  node('GlobalAveragePool', ['depthwise'], 'pooled'),
  node('Exp', ['rows'], 'exponential'),
  node('Tanh', ['rows'], 'tangent'),
  node('Sigmoid', ['rows'], 'logistic'),
  node('Erf', ['rows'], 'error'),
  node('Softmax', ['product'], 'softmax'),
  node('LayerNormalization', ['product', 'scale'], 'normalised'),
  node('ReduceSum', ['rows'], 'sum'),
  node('MatMulInteger', ['bytes', 'integers'], 'integer'),
];

/** What is hashed of its answers, in this order. */
export const PROBE_OUTPUTS: readonly string[] = [
  'product',
  'vector',
  'convolved',
  'depthwise',
  'pooled',
  'exponential',
  'tangent',
  'logistic',
  'error',
  'softmax',
  'normalised',
  'sum',
  'integer',
];

function valueInfo({ name, element, dims }: ProbeTensor): Uint8Array {
  const shape = message(...dims.map((dim): Field => [1, message([1, dim])]));
  return message([1, name], [2, message([1, message([1, ELEMENT[element]], [2, shape])])]);
}

/** The ModelProto. `data` gives the little-endian bytes of each weight. */
export function probeModel(data: (tensor: ProbeTensor) => Uint8Array): Uint8Array {
  const initializers = WEIGHTS.map((weight): Field => {
    const dims = weight.dims.map((dim): Field => [1, dim]);
    const tensor = message(
      ...dims,
      [2, ELEMENT[weight.element]],
      [8, weight.name],
      [9, data(weight)],
    );
    return [GRAPH.initializer, tensor];
  });
  const graph = message(
    ...NODES,
    [GRAPH.name, 'kernel probe'],
    ...initializers,
    ...PROBE_INPUTS.map((input): Field => [GRAPH.input, valueInfo(input)]),
    ...PROBE_OUTPUTS.map((name): Field => [GRAPH.output, message([1, name])]),
  );
  return message([1, 8], [7, graph], [8, message([1, ''], [2, 17])]);
}
