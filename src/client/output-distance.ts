import { equalBytes } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { Datatype } from './datatype.js';
import { elementsOf, type Tensor } from './tensor.js';

/** The first element whose bits differ. */
export interface FirstDifference {
  /** Position in row-major order. */
  readonly index: number;
  readonly reference: string;
  readonly actual: string;
}

/** How far an output is from its reference. */
export interface OutputDistance {
  readonly name: string;
  readonly elements: number;
  /** Elements whose bits differ; 0 means identical bits. */
  readonly differing: number;
  readonly first: FirstDifference | null;
  /** Null where the datatype has no distance (BOOL, BYTES). */
  readonly numeric: NumericDistance | null;
}

/**
 * Infinity where a number meets a NaN or an infinity of the other output. Two NaNs are at distance zero,
 * whatever their bits, and so are two infinities of one sign, and the two zeros.
 */
export interface NumericDistance {
  readonly maxAbsolute: number;
  /** Over all elements, as is the mean relative one. */
  readonly meanAbsolute: number;
  /** Relative to the magnitude of the reference's element; Infinity where that is zero. */
  readonly maxRelative: number;
  readonly meanRelative: number;
  /** Largest distance in units in the last place; for integers the absolute difference. */
  readonly maxUlp: number;
  /**
   * Cosine similarity of the outputs as vectors, of those elements that are not the same infinity or
   * both NaN; 1 for two zero vectors, 0 where a number meets a NaN or an infinity.
   */
  readonly cosine: number;
  /** Elements that are NaN or infinite where the reference is a number: an overflow, or no result. */
  readonly lost: number;
}

/** An element of a numeric datatype: 64-bit integers are exact. */
export type Numeric = number | bigint;

const FLOAT_BITS: { readonly [name in Datatype]?: 16 | 32 | 64 } = { FP16: 16, FP32: 32, FP64: 64 };

/** The elements of a tensor as numbers; empty for BYTES. */
export function numbersOf(tensor: Tensor): readonly Numeric[] {
  if (tensor.datatype === 'BYTES') return [];
  return elementsOf(tensor).map((element) =>
    typeof element === 'bigint' ? element : Number(element),
  );
}

/** |reference − actual|, by the rules of NumericDistance. */
export function absoluteDistance(reference: Numeric, actual: Numeric): number {
  if (typeof reference === 'bigint' && typeof actual === 'bigint') {
    return Number(reference > actual ? reference - actual : actual - reference);
  }
  const [x, y] = [Number(reference), Number(actual)];
  if (x === y || (Number.isNaN(x) && Number.isNaN(y))) return 0;
  const distance = Math.abs(x - y);
  return Number.isFinite(x) && Number.isFinite(y) ? distance : Number.POSITIVE_INFINITY;
}

/** What the bytes of two tensors are compared by: their width is the same for every element but BYTES. */
function differingIndices(a: Tensor, b: Tensor, count: number): number[] {
  if (a.datatype === 'BYTES') {
    const [left, right] = [elementsOf(a), elementsOf(b)] as [Uint8Array[], Uint8Array[]];
    return left.flatMap((element, i) => {
      const other = right[i];
      return other !== undefined && equalBytes(element, other) ? [] : [i];
    });
  }
  const size = a.data.length / count;
  const indices: number[] = [];
  for (let at = 0; at < a.data.length; at++) {
    if (a.data[at] === b.data[at]) continue;
    const index = Math.floor(at / size);
    indices.push(index);
    at = (index + 1) * size - 1;
  }
  return indices;
}

/** Position of a float on the line of all floats of its width: neighbours are 1 apart, zeros equal. */
function ordinal(view: DataView, index: number, bits: 16 | 32 | 64): bigint {
  const raw =
    bits === 16
      ? BigInt(view.getUint16(index * 2, true))
      : bits === 32
        ? BigInt(view.getUint32(index * 4, true))
        : view.getBigUint64(index * 8, true);
  const sign = 1n << BigInt(bits - 1);
  return raw >= sign ? sign - raw : raw;
}

/** Steps from float to float between two elements, given their absolute distance. */
function ulpMeter(a: Tensor, b: Tensor): (index: number, absolute: number) => number {
  const bits = FLOAT_BITS[a.datatype];
  if (bits === undefined) return (_, absolute) => absolute;
  const viewOf = ({ data }: Tensor) => new DataView(data.buffer, data.byteOffset, data.byteLength);
  const [left, right] = [viewOf(a), viewOf(b)];
  return (index, absolute) => {
    if (absolute === 0 || absolute === Number.POSITIVE_INFINITY) return absolute;
    const steps = ordinal(left, index, bits) - ordinal(right, index, bits);
    return Number(steps < 0n ? -steps : steps);
  };
}

/** Elements are scaled by the largest first: their squares neither overflow nor vanish. */
function cosineOf(reference: readonly Numeric[], actual: readonly Numeric[]): number {
  const largest = (values: readonly Numeric[]): number =>
    values.reduce((most: number, value) => {
      const size = Math.abs(Number(value));
      return Number.isFinite(size) && size > most ? size : most;
    }, 0);
  const [a, b] = [largest(reference), largest(actual)];
  if (a === 0 && b === 0) return 1;
  let [dot, left, right] = [0, 0, 0];
  reference.forEach((value, i) => {
    const x = Number(value);
    if (!Number.isFinite(x)) return;
    const y = Number(actual[i]);
    dot += (x / (a || 1)) * (y / (b || 1));
    left += (x / (a || 1)) ** 2;
    right += (y / (b || 1)) ** 2;
  });
  return left === 0 || right === 0 ? 0 : Math.max(-1, Math.min(1, dot / Math.sqrt(left * right)));
}

function numericDistance(a: Tensor, b: Tensor, differing: readonly number[]): NumericDistance {
  const [reference, actual] = [numbersOf(a), numbersOf(b)];
  const ulpsAt = ulpMeter(a, b);
  let [maxAbsolute, sum, maxRelative, relativeSum, maxUlp, lost] = [0, 0, 0, 0, 0, 0];
  let comparable = true;
  for (const i of differing) {
    const [x, y] = [reference[i] ?? 0, actual[i] ?? 0];
    const absolute = absoluteDistance(x, y);
    const relative = Number.isFinite(absolute) ? absolute / Math.abs(Number(x)) : absolute;
    if (absolute === Number.POSITIVE_INFINITY) comparable &&= bothFinite(x, y);
    if (Number.isFinite(Number(x)) && !Number.isFinite(Number(y))) lost += 1;
    maxAbsolute = Math.max(maxAbsolute, absolute);
    sum += absolute;
    maxRelative = Math.max(maxRelative, absolute === 0 ? 0 : relative);
    relativeSum += absolute === 0 ? 0 : relative;
    maxUlp = Math.max(maxUlp, ulpsAt(i, absolute));
  }
  const count = Math.max(1, reference.length);
  return {
    maxAbsolute,
    meanAbsolute: sum / count,
    maxRelative,
    meanRelative: relativeSum / count,
    maxUlp,
    cosine: comparable ? cosineOf(reference, actual) : 0,
    lost,
  };
}

function bothFinite(x: Numeric, y: Numeric): boolean {
  return Number.isFinite(Number(x)) && Number.isFinite(Number(y));
}

function shown(element: unknown): string {
  if (Object.is(element, -0)) return '-0';
  return element instanceof Uint8Array ? new TextDecoder().decode(element) : String(element);
}

/**
 * Compares an output with its reference. Throws TENSOR_SHAPE if they are not of one name, datatype and
 * shape: then there is no distance.
 */
export function outputDistance(reference: Tensor, actual: Tensor): OutputDistance {
  const form = ({ name, datatype, shape }: Tensor): string => `${name} ${datatype} [${shape}]`;
  if (form(reference) !== form(actual)) {
    throw new AssayError('TENSOR_SHAPE', `expected ${form(reference)}, not ${form(actual)}`);
  }
  const [left, right] = [elementsOf(reference), elementsOf(actual)];
  const differing = differingIndices(reference, actual, left.length);
  const [index] = differing;
  const isNumeric = reference.datatype !== 'BYTES' && reference.datatype !== 'BOOL';
  return {
    name: reference.name,
    elements: left.length,
    differing: differing.length,
    first:
      index === undefined
        ? null
        : { index, reference: shown(left[index]), actual: shown(right[index]) },
    numeric: isNumeric ? numericDistance(reference, actual, differing) : null,
  };
}
