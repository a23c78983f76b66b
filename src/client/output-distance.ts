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
  /** Of the differing elements; null where the datatype has no distance (BOOL, BYTES). */
  readonly numeric: NumericDistance | null;
}

/** Infinity where a number meets a NaN or an infinity of the other output. */
export interface NumericDistance {
  readonly maxAbsolute: number;
  readonly meanAbsolute: number;
  /** Relative to the magnitude of the reference's element. */
  readonly maxRelative: number;
  /** Largest distance in units in the last place; for integers the absolute difference. */
  readonly maxUlp: number;
  /** Cosine similarity of the outputs as vectors; 1 for two zero vectors. */
  readonly cosine: number;
}

const FLOAT_BITS: { readonly [name in Datatype]?: 16 | 32 | 64 } = { FP16: 16, FP32: 32, FP64: 64 };

/** Position of a float on the line of all floats of its width: neighbours are 1 apart. */
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

/** Bits decide: NaNs with equal bits are equal, and zeros of two signs are not. */
function differingIndices(a: Tensor, b: Tensor): number[] {
  const left = elementsOf(a);
  const right = elementsOf(b);
  if (a.datatype === 'BYTES') {
    return left.flatMap((element, i) =>
      Buffer.from(element as Uint8Array).equals(right[i] as Uint8Array) ? [] : [i],
    );
  }
  const size = a.data.length / left.length;
  return left.flatMap((_, i) => {
    const [from, to] = [i * size, (i + 1) * size];
    return equalBytes(a.data.subarray(from, to), b.data.subarray(from, to)) ? [] : [i];
  });
}

function apart(reference: number, actual: number): number {
  if (Object.is(reference, actual) || reference === actual) return 0;
  const distance = Math.abs(reference - actual);
  return Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance;
}

function cosineOf(reference: readonly number[], actual: readonly number[]): number {
  let [dot, left, right] = [0, 0, 0];
  reference.forEach((x, i) => {
    const y = actual[i] ?? 0;
    dot += x * y;
    left += x * x;
    right += y * y;
  });
  if (left === 0 && right === 0) return 1;
  const cosine = dot / Math.sqrt(left * right);
  return Number.isNaN(cosine) ? 0 : cosine;
}

function numericDistance(a: Tensor, b: Tensor, differing: readonly number[]): NumericDistance {
  const [reference, actual] = [elementsOf(a).map(Number), elementsOf(b).map(Number)];
  const bits = FLOAT_BITS[a.datatype];
  const [left, right] = [a, b].map(
    ({ data }) => new DataView(data.buffer, data.byteOffset, data.byteLength),
  );
  let [maxAbsolute, sum, maxRelative, maxUlp] = [0, 0, 0, 0];
  for (const i of differing) {
    const [x, y] = [reference[i] ?? 0, actual[i] ?? 0];
    const absolute = apart(x, y);
    maxAbsolute = Math.max(maxAbsolute, absolute);
    sum += absolute;
    maxRelative = Math.max(maxRelative, absolute === 0 ? 0 : absolute / Math.abs(x));
    let ulp = absolute;
    if (
      bits !== undefined &&
      left !== undefined &&
      right !== undefined &&
      Number.isFinite(absolute)
    ) {
      const steps = ordinal(left, i, bits) - ordinal(right, i, bits);
      ulp = Number(steps < 0n ? -steps : steps);
    }
    maxUlp = Math.max(maxUlp, ulp);
  }
  const meanAbsolute = reference.length === 0 ? 0 : sum / reference.length;
  return { maxAbsolute, meanAbsolute, maxRelative, maxUlp, cosine: cosineOf(reference, actual) };
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
  const elements = elementsOf(reference);
  const differing = equalBytes(reference.data, actual.data)
    ? []
    : differingIndices(reference, actual);
  const [index] = differing;
  const show = (tensor: Tensor, i: number): string => String(elementsOf(tensor)[i]);
  const isNumeric = reference.datatype !== 'BYTES' && reference.datatype !== 'BOOL';
  return {
    name: reference.name,
    elements: elements.length,
    differing: differing.length,
    first:
      index === undefined
        ? null
        : { index, reference: show(reference, index), actual: show(actual, index) },
    numeric: isNumeric ? numericDistance(reference, actual, differing) : null,
  };
}
