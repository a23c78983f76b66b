import { equalBytes } from '../encoding/bytes.js';
import type { ElementLayout, Numeric } from './number.js';

/**
 * Infinity where a number meets a NaN or an infinity of the other tensor. Two NaNs are at distance zero,
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
   * Cosine similarity of the tensors as vectors, of those elements that are not the same infinity or
   * both NaN; 1 for two zero vectors, 0 where a number meets a NaN or an infinity.
   */
  readonly cosine: number;
  /** Elements that are NaN or infinite where the reference is a number: an overflow, or no result. */
  readonly lost: number;
  /** Elements that are numbers where the reference is NaN or infinite. */
  readonly gained: number;
}

/** How far two tensors of one type and shape are apart. */
export interface TensorDistance {
  readonly elements: number;
  /** Elements whose bits differ; 0 means identical bits. */
  readonly differing: number;
  /** Row-major position of the first element whose bits differ. */
  readonly first: number | null;
  /** Null where the elements are no plain numbers. */
  readonly numeric: NumericDistance | null;
}

function isFiniteNumber(value: Numeric): boolean {
  return Number.isFinite(Number(value));
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

/** Position of a float on the line of all floats of its width: neighbours are 1 apart, zeros equal. */
function ordinal(view: DataView, index: number, bits: number): bigint {
  const raw =
    bits === 16
      ? BigInt(view.getUint16(index * 2, true))
      : bits === 32
        ? BigInt(view.getUint32(index * 4, true))
        : view.getBigUint64(index * 8, true);
  const sign = 1n << BigInt(bits - 1);
  return raw >= sign ? sign - raw : raw;
}

function viewOf({ buffer, byteOffset, byteLength }: Uint8Array): DataView {
  return new DataView(buffer, byteOffset, byteLength);
}

function sameElement(a: Uint8Array, b: Uint8Array, index: number, bits: number): boolean {
  const from = index * bits;
  if (bits < 8) {
    const differing = (a[from >> 3] ?? 0) ^ (b[from >> 3] ?? 0);
    return ((differing >> (from & 7)) & ((1 << bits) - 1)) === 0;
  }
  const end = (from + bits) / 8;
  for (let at = from / 8; at < end; at++) if (a[at] !== b[at]) return false;
  return true;
}

/** Elements are scaled by the largest first: their squares neither overflow nor vanish. */
function cosineOf(
  count: number,
  reference: (index: number) => number,
  actual: (index: number) => number,
): number {
  const largest = (of: (index: number) => number): number => {
    let most = 0;
    for (let i = 0; i < count; i++) {
      const size = Math.abs(of(i));
      if (Number.isFinite(size) && size > most) most = size;
    }
    return most;
  };
  const [a, b] = [largest(reference), largest(actual)];
  if (a === 0 && b === 0) return 1;
  let [dot, left, right] = [0, 0, 0];
  for (let i = 0; i < count; i++) {
    const x = reference(i);
    if (!Number.isFinite(x)) continue;
    const y = actual(i);
    dot += (x / (a || 1)) * (y / (b || 1));
    left += (x / (a || 1)) ** 2;
    right += (y / (b || 1)) ** 2;
  }
  return left === 0 || right === 0 ? 0 : Math.max(-1, Math.min(1, dot / Math.sqrt(left * right)));
}

/** Gathers the measures of the elements that differ. */
class Meter {
  readonly #read: (view: DataView, index: number) => Numeric;
  readonly #layout: ElementLayout;
  readonly #views: readonly [DataView, DataView];
  #maxAbsolute = 0;
  #sum = 0;
  #maxRelative = 0;
  #relativeSum = 0;
  #maxUlp = 0;
  #lost = 0;
  #gained = 0;
  #comparable = true;

  constructor(
    layout: ElementLayout,
    read: (view: DataView, index: number) => Numeric,
    reference: Uint8Array,
    actual: Uint8Array,
  ) {
    this.#read = read;
    this.#layout = layout;
    this.#views = [viewOf(reference), viewOf(actual)];
  }

  add(index: number): void {
    const [left, right] = this.#views;
    const [x, y] = [this.#read(left, index), this.#read(right, index)];
    const absolute = absoluteDistance(x, y);
    const [before, after] = [isFiniteNumber(x), isFiniteNumber(y)];
    if (before && !after) this.#lost += 1;
    if (!before && after) this.#gained += 1;
    if (absolute === 0) return;
    if (absolute === Number.POSITIVE_INFINITY) this.#comparable &&= before && after;
    const relative = Number.isFinite(absolute) ? absolute / Math.abs(Number(x)) : absolute;
    this.#maxAbsolute = Math.max(this.#maxAbsolute, absolute);
    this.#sum += absolute;
    this.#maxRelative = Math.max(this.#maxRelative, relative);
    this.#relativeSum += relative;
    this.#maxUlp = Math.max(this.#maxUlp, this.#ulps(index, absolute));
  }

  /** Steps from float to float between two elements, given their absolute distance. */
  #ulps(index: number, absolute: number): number {
    const { bits, float } = this.#layout;
    if (!float || absolute === Number.POSITIVE_INFINITY) return absolute;
    const [left, right] = this.#views;
    const steps = ordinal(left, index, bits) - ordinal(right, index, bits);
    return Number(steps < 0n ? -steps : steps);
  }

  result(elements: number): NumericDistance {
    const count = Math.max(1, elements);
    const [left, right] = this.#views;
    const cosine = (): number =>
      cosineOf(
        elements,
        (index) => Number(this.#read(left, index)),
        (index) => Number(this.#read(right, index)),
      );
    return {
      maxAbsolute: this.#maxAbsolute,
      meanAbsolute: this.#sum / count,
      maxRelative: this.#maxRelative,
      meanRelative: this.#relativeSum / count,
      maxUlp: this.#maxUlp,
      cosine: this.#comparable ? cosine() : 0,
      lost: this.#lost,
      gained: this.#gained,
    };
  }
}

/** Compares two tensors of one layout and one number of elements, given their canonical bytes. */
export function tensorDistance(
  layout: ElementLayout,
  elements: number,
  reference: Uint8Array,
  actual: Uint8Array,
): TensorDistance {
  const meter = layout.read && new Meter(layout, layout.read, reference, actual);
  let differing = 0;
  let first: number | null = null;
  for (let index = 0; index < elements; index++) {
    if (sameElement(reference, actual, index, layout.bits)) continue;
    differing += 1;
    first ??= index;
    meter?.add(index);
  }
  return { elements, differing, first, numeric: meter?.result(elements) ?? null };
}

/** The same for strings, which are equal or not. */
export function stringsDistance(
  reference: readonly Uint8Array[],
  actual: readonly Uint8Array[],
): TensorDistance {
  const differing = reference.flatMap((element, index) => {
    const other = actual[index];
    return other !== undefined && equalBytes(element, other) ? [] : [index];
  });
  return {
    elements: reference.length,
    differing: differing.length,
    first: differing[0] ?? null,
    numeric: null,
  };
}
