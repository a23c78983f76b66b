import { attributeType } from '../../attestation/model/attribute.js';
import type { ExternalFiles } from '../../attestation/model/external.js';
import type { NodeView } from '../../attestation/model/views.js';
import { attributeOf, intAttribute } from './attributes.js';
import {
  alike,
  anyOf,
  BOOL,
  between,
  type Elements,
  hull,
  INT32,
  INT64,
  isInteger,
  isTyped,
  ofConstant,
  UNKNOWN,
} from './element-range.js';

const FLOAT = 1;
const STRING = 8;

/** Places of outputs, or of inputs, by operator. A file may call one `constructor`: no plain objects. */
type Listed = ReadonlyMap<string, readonly number[]>;

const each = (operators: string, places: readonly number[]) =>
  operators.split(' ').map((operator) => [operator, places] as const);

/** Outputs that count or name places: INT64, never negative. */
const COUNTS: Listed = new Map([
  ...each('ArgMax ArgMin NonMaxSuppression NonZero SequenceLength Shape Size', [0]),
  ...each('MaxPool StringSplit TopK', [1]),
  ...each('Unique', [1, 2, 3]),
]);

/** Of these, sizes of tensors: no caller's numbers. */
const SIZES: ReadonlySet<string> = new Set(['SequenceLength', 'Shape', 'Size']);

/** Outputs that are true or false. */
const BOOLEANS: Listed = new Map([
  ...each('And Equal Greater GreaterOrEqual IsInf IsNaN Less LessOrEqual Not', [0]),
  ...each('OptionalHasElement Or RegexFullMatch Xor', [0]),
  ...each('Dropout', [1]),
]);

/** Inputs whose elements an operator passes on as they are; what it adds of its own are zeros. */
const PASSES: Listed = new Map([
  ...each(
    'Compress ConcatFromSequence DepthToSpace Dropout Expand Flatten Gather GatherElements',
    [0],
  ),
  ...each('GatherND Identity Optional OptionalGetElement Reshape ReverseSequence SequenceAt', [0]),
  ...each(
    'SequenceErase Slice SpaceToDepth Split SplitToSequence Squeeze Tile TopK Transpose',
    [0],
  ),
  ...each('Trilu Unique Unsqueeze', [0]),
  ...each('Where', [1, 2]),
  ...each('OneHot', [2]),
  ...each('Pad', [0, 2]),
  ...each('Range SequenceInsert', [0, 1]),
]);
const PASSES_ALL: ReadonlySet<string> = new Set(['Concat', 'SequenceConstruct']);
const ADDS_ZEROS: ReadonlySet<string> = new Set(['Pad', 'Trilu']);

/** Types of outputs that are not the first input's, where no attribute says otherwise; 0: any. */
const TYPES: ReadonlyMap<string, number> = new Map(
  Object.entries<number>({
    BlackmanWindow: FLOAT,
    ConvInteger: INT32,
    HammingWindow: FLOAT,
    HannWindow: FLOAT,
    If: 0,
    Loop: 0,
    MatMulInteger: INT32,
    MelWeightMatrix: FLOAT,
    Multinomial: INT32,
    RandomNormal: FLOAT,
    RandomUniform: FLOAT,
    Scan: 0,
    SequenceEmpty: FLOAT,
    SequenceMap: 0,
    StringSplit: STRING,
    TfIdfVectorizer: FLOAT,
  }),
);

/** Of what Constant gives for a value that is no tensor. */
const VALUE_TYPES: ReadonlyMap<number, number> = new Map([
  [attributeType.float, FLOAT],
  [attributeType.floats, FLOAT],
  [attributeType.int, INT64],
  [attributeType.ints, INT64],
  [attributeType.string, STRING],
  [attributeType.strings, STRING],
]);

/** Attributes that name the type of an output, by operator; `dtype` unless listed. */
const TYPE_ATTRIBUTES: ReadonlyMap<string, string> = new Map(
  Object.entries<string>({
    BitCast: 'to',
    BlackmanWindow: 'output_datatype',
    Cast: 'to',
    HammingWindow: 'output_datatype',
    HannWindow: 'output_datatype',
    MelWeightMatrix: 'output_datatype',
  }),
);

const magnitude = ({ least, most }: Elements): bigint => (-least > most ? -least : most);
const larger = (a: bigint, b: bigint): bigint => (a > b ? a : b);
const smaller = (a: bigint, b: bigint): bigint => (a < b ? a : b);

/**
 * On x86 ONNX Runtime 1.30 orders the lower halves of 64-bit integers as if they had signs, so that of
 * two whose upper halves agree it may take the wrong one. It does not err otherwise.
 */
const LOWER_HALF = 2n ** 32n - 1n;
const halfBelow = (bound: bigint, { type }: Elements): bigint =>
  type === INT64 ? bound & ~LOWER_HALF : bound;
const halfAbove = (bound: bigint, { type }: Elements): bigint =>
  type === INT64 ? bound | LOWER_HALF : bound;

type Arithmetic = (a: Elements, b: Elements, node: NodeView) => readonly [bigint, bigint];

/** Bounds of what an operator makes of two integers, before they wrap. */
const ARITHMETIC: ReadonlyMap<string, Arithmetic> = new Map(
  Object.entries<Arithmetic>({
    Add: (a, b) => [a.least + b.least, a.most + b.most],
    Sub: (a, b) => [a.least - b.most, a.most - b.least],
    Mul: (a, b) => {
      const corners = [a.least * b.least, a.least * b.most, a.most * b.least, a.most * b.most];
      return [corners.reduce(smaller), corners.reduce(larger)];
    },
    Div: (a, b) => [a.least >= 0n && b.least >= 0n ? 0n : -magnitude(a), magnitude(a)],
    Mod: (a, b, node) => {
      const signed = followsDividend(node) ? a : b;
      return [signed.least >= 0n ? 0n : -magnitude(b), magnitude(b)];
    },
    Max: (a, b) => [halfBelow(larger(a.least, b.least), a), larger(a.most, b.most)],
    Min: (a, b) => [smaller(a.least, b.least), halfAbove(smaller(a.most, b.most), a)],
  }),
);

/** A size, an index, a number of iterations. */
export function countOf(chosen: boolean): Elements {
  return { ...anyOf(INT64, chosen), least: 0n };
}

/** Mod with `fmod`: the remainder has the dividend's sign, as C's has. */
export function followsDividend(node: NodeView): boolean {
  return (intAttribute(node, 'fmod') ?? 0n) !== 0n;
}

/**
 * Integers keep their bounds where the other type has room for them. A float that no integer can hold becomes
 * the least one, and a publisher may have chosen it.
 */
function cast(from: Elements | undefined, type: number): Elements {
  const any = anyOf(type, from?.chosen);
  if (from === undefined || !isInteger(any) || !isTyped(from)) return any;
  if (type === BOOL) return any;
  return isInteger(from) ? between(type, from.least, from.most, from.chosen) : any;
}

function arithmetic(operator: Arithmetic, operands: readonly Elements[], node: NodeView): Elements {
  let [result = UNKNOWN, ...others] = alike(operands);
  for (const other of others) {
    const { type } = result;
    const chosen = result.chosen || other.chosen;
    const bounded = isInteger(result) && other.type === type;
    result = bounded
      ? between(type, ...operator(result, other, node), chosen)
      : anyOf(type, chosen);
  }
  return result;
}

function clip(
  [value = UNKNOWN, low, high]: readonly (Elements | undefined)[],
  node: NodeView,
): Elements {
  const apply = (name: 'Max' | 'Min', x: Elements, bound: Elements | undefined): Elements => {
    const operator = ARITHMETIC.get(name);
    return bound === undefined || operator === undefined
      ? x
      : arithmetic(operator, [x, bound], node);
  };
  return apply('Min', apply('Max', value, low), high);
}

/** The type that an operator's output has, where it is not the first input's. */
function typeOf(node: NodeView, inputs: readonly (Elements | undefined)[]): number | undefined {
  const attribute = attributeOf(node, TYPE_ATTRIBUTES.get(node.op) ?? 'dtype');
  if (attribute !== undefined) return attribute.reference === '' ? Number(attribute.int) : 0;
  if (node.op === 'CastLike' || node.op === 'DequantizeLinear') return inputs[1]?.type;
  return TYPES.get(node.op);
}

/** The type of a Constant in a function whose value is the call's to give. */
function typeOfValue({ attributes: [attribute] }: NodeView): number {
  if (attribute === undefined) return 0;
  const [value = attribute.sparse[0]?.values] = attribute.tensors;
  return value?.type.code ?? VALUE_TYPES.get(attribute.type) ?? 0;
}

/**
 * The elements of one output of an operator of ONNX's own that has no subgraph. One that is not known
 * here gives what its first input's type can hold.
 */
export function operatorElements(
  node: NodeView,
  inputs: readonly (Elements | undefined)[],
  output: number,
  files: ExternalFiles,
): Elements {
  const { op } = node;
  const given = inputs.flatMap((input) => input ?? []);
  const chosen = given.some((input) => input.chosen);
  if (COUNTS.get(op)?.includes(output) === true) {
    return countOf(chosen && !SIZES.has(op));
  }
  if (BOOLEANS.get(op)?.includes(output) === true) return anyOf(BOOL, chosen);
  const passed = PASSES_ALL.has(op)
    ? given
    : PASSES.get(op)?.flatMap((index) => inputs[index] ?? []);
  if (passed !== undefined) {
    const all = hull(passed);
    return ADDS_ZEROS.has(op) ? hull([all, { ...all, least: 0n, most: 0n }]) : all;
  }
  const operator = ARITHMETIC.get(op);
  if (operator !== undefined) return arithmetic(operator, given, node);
  if (op === 'Clip') return clip(inputs, node);
  const first = inputs[0] ?? UNKNOWN;
  const type = typeOf(node, inputs);
  if (op === 'Cast' || op === 'CastLike') return cast(inputs[0], type ?? 0);
  if (op === 'Relu')
    return { ...first, least: larger(first.least, 0n), most: larger(first.most, 0n) };
  if (op === 'Sign') return isInteger(first) ? { ...first, least: -1n, most: 1n } : first;
  if (op === 'Abs' || op === 'Neg') {
    return isInteger(first) ? negated(first, op === 'Abs') : first;
  }
  if (op === 'Constant') return anyOf(typeOfValue(node), false);
  if (op === 'ConstantOfShape') {
    const [value] = node.attributes.flatMap(({ tensors }) => tensors);
    if (value === undefined) return anyOf(FLOAT, false);
    // Of more elements than the one that there may be, the type alone is looked at.
    return value.elements === 1 ? ofConstant(value, files) : anyOf(value.type.code, false);
  }
  return anyOf(type ?? first.type, chosen);
}

/** The least integer has no counterpart, and stays what it is. */
function negated(value: Elements, absolute: boolean): Elements {
  const { type, least, most, chosen } = value;
  if (!absolute) return between(type, -most, -least, chosen);
  return least >= 0n ? value : between(type, 0n, magnitude(value), chosen);
}
