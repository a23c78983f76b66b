import { toHalf } from '../system/half.js';
import { type FloatRange, floatWords } from './float-bits.js';
import { type Datatype, ELEMENT_BYTES } from './tensor.js';

/**
 * What a sample's elements are; all but the ordinary ones are what a careless or hostile neighbour would send.
 * `least`, `greatest`: of the type, in 64 bits of what a double holds; `uniform`: over all that it holds;
 * `powers`: of two, of both signs; `wide` integers: of all magnitudes, each octave alike, of both signs; a
 * number n: integers from 0 to n; the first element is n. Floats by their bits: see `FloatRange`.
 */
export type SampleKind = NamedKind | number;
type NamedKind = 'ordinary' | 'zero' | FloatExtreme | FloatRange | IntegerExtreme;
type FloatExtreme = 'large' | 'huge' | 'infinite' | 'nan';
type IntegerExtreme = 'least' | 'greatest' | 'uniform' | 'powers';

/** xorshift32: the same samples in every process, so that a verdict can be repeated. */
export function sampler(seed: number): () => number {
  let state = seed | 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 2 ** 32;
  };
}

const FLOAT_EXTREMES = { zero: 0, large: 1e4, infinite: Infinity, nan: Number.NaN } as const;
/** Nearly the greatest of each type. */
const HUGE: Partial<Record<Datatype, number>> = { FP16: 6e4, FP32: 1e38, FP64: 1e300 };

interface Integers {
  readonly bits: number;
  readonly signed: boolean;
}

const INTEGERS: Partial<Record<Datatype, Integers>> = {
  INT8: { bits: 8, signed: true },
  INT16: { bits: 16, signed: true },
  INT32: { bits: 32, signed: true },
  INT64: { bits: 64, signed: true },
  UINT8: { bits: 8, signed: false },
  UINT16: { bits: 16, signed: false },
  UINT32: { bits: 32, signed: false },
  UINT64: { bits: 64, signed: false },
};

/** The kinds with names, besides ordinary ones, that elements of a type can be; none for BOOL and BYTES. */
export function extremesOf(datatype: Datatype): readonly SampleKind[] {
  if (HUGE[datatype] !== undefined) {
    return ['zero', 'large', 'huge', 'infinite', 'nan', 'wide', 'wild'];
  }
  const integers = INTEGERS[datatype];
  if (integers === undefined) return [];
  const kinds: readonly SampleKind[] = ['zero', 'greatest', 'uniform', 'powers', 'wide'];
  return integers.signed ? [...kinds, 'least'] : kinds;
}

/** Kinds of which each row is the same. */
const CONSTANT: ReadonlySet<SampleKind> = new Set(['zero', 'infinite', 'nan', 'least', 'greatest']);
export const isConstant = (kind: SampleKind): boolean => CONSTANT.has(kind);

/** Kinds that together have all that elements can be, and each number with all others beside it. */
export const isBroad = (kind: SampleKind): boolean =>
  typeof kind === 'number' || kind === 'wide' || kind === 'wild';

/** What every second row of a kind has instead. */
export function counterpartOf(datatype: Datatype, kind: SampleKind): SampleKind {
  if (!isFloat(datatype)) return kind;
  if (kind === 'wide') return 'vast';
  return kind === 'wild' ? 'flecked' : kind;
}

/** The greatest integer of one byte that a type holds; undefined: it has no integers. */
export function byteOf(datatype: Datatype): number | undefined {
  const integers = INTEGERS[datatype];
  if (integers === undefined) return undefined;
  return integers.bits === 8 && integers.signed ? 127 : 255;
}

function floatElement(kind: NamedKind, huge: number, random: () => number): number {
  const unit = random() * 2 - 1;
  if (kind === 'huge') return Math.sign(unit) * huge;
  if (kind === 'large') return FLOAT_EXTREMES.large * unit;
  return kind === 'zero' || kind === 'infinite' || kind === 'nan' ? FLOAT_EXTREMES[kind] : unit * 3;
}

/** Ordinary integers are 0 and 1: they are often indices, which have no neighbours outside of the table. */
function integerElement(kind: NamedKind, { bits, signed }: Integers, random: () => number): number {
  const least = signed ? -(2 ** (bits - 1)) : 0;
  const most = least + 2 ** bits - Math.max(1, 2 ** (bits - 53));
  const sign = (): number => (signed && random() < 0.5 ? -1 : 1);
  const octave = (): number => random() * (bits - (signed ? 1 : 0));
  switch (kind) {
    case 'zero':
      return 0;
    case 'least':
      return least;
    case 'greatest':
      return most;
    case 'uniform':
      return Math.min(least + Math.floor(random() * 2 ** bits), most);
    case 'powers':
      return sign() * 2 ** Math.floor(octave());
    case 'wide':
      return sign() * Math.floor(2 ** octave());
    default:
      return Math.floor(random() * 2);
  }
}

const RANGES: ReadonlySet<SampleKind> = new Set<FloatRange>(['wide', 'vast', 'wild', 'flecked']);
const isRange = (kind: SampleKind): kind is FloatRange => RANGES.has(kind);
const isFloat = (datatype: Datatype): datatype is 'FP16' | 'FP32' | 'FP64' =>
  HUGE[datatype] !== undefined;

/** From 0 to `most`, which comes first: even a sample of one element shows whether a model accepts it. */
function bounded(most: number, random: () => number): () => number {
  let next = most;
  return () => {
    const element = next;
    next = Math.floor(random() * (most + 1));
    return element;
  };
}

/** The words of elements of 64 bits that are drawn as such; one for each element of every other type. */
type Words = Uint8Array | Uint16Array | Uint32Array | Float32Array | Float64Array;

function wordsOf(datatype: Datatype, asBits: boolean, { buffer }: Uint8Array): Words {
  if (datatype === 'FP64' && !asBits) return new Float64Array(buffer);
  if (datatype === 'FP32' && !asBits) return new Float32Array(buffer);
  const size = ELEMENT_BYTES[datatype];
  if (size === 1 || size === undefined) return new Uint8Array(buffer);
  return size === 2 ? new Uint16Array(buffer) : new Uint32Array(buffer);
}

/** A sample that is made a part at a time, so that a large one need not keep the event loop. */
export class Sample {
  readonly bytes: Uint8Array;
  readonly length: number;
  readonly #words: Words;
  /** Elements have two words. */
  readonly #wide: boolean;
  /** The high word of an element of 64 bits. */
  #high = (element: number): number => Math.floor(element / 2 ** 32);
  readonly #element: () => number;

  /** @param length elements. */
  constructor(datatype: Datatype, length: number, kind: SampleKind, random: () => number) {
    this.length = length;
    this.bytes = new Uint8Array(length * (ELEMENT_BYTES[datatype] ?? 0));
    const asBits = isFloat(datatype) && isRange(kind);
    this.#words = wordsOf(datatype, asBits, this.bytes);
    const integers = INTEGERS[datatype];
    this.#wide = integers?.bits === 64 || (asBits && datatype === 'FP64');
    const huge = HUGE[datatype];
    if (isFloat(datatype) && isRange(kind)) {
      const draw = floatWords(datatype, kind, random);
      let top = 0;
      let low = 0;
      this.#element = () => {
        [top, low] = draw();
        return datatype === 'FP64' ? low : top;
      };
      this.#high = () => top;
    } else if (typeof kind === 'number') {
      this.#element = bounded(kind, random);
    } else if (this.#wide && kind === 'uniform') {
      // A double has not the digits for both: a cast to 32 bits would give 0 always.
      this.#element = () => Math.floor(random() * 2 ** 32);
      this.#high = this.#element;
    } else if (integers !== undefined) {
      this.#element = () => integerElement(kind, integers, random);
    } else if (huge === undefined) {
      this.#element = () => Math.floor(random() * 2);
    } else if (datatype === 'FP16') {
      this.#element = () => toHalf(floatElement(kind, huge, random));
    } else {
      this.#element = () => floatElement(kind, huge, random);
    }
  }

  /** Makes the elements from one place up to another. */
  fill(from = 0, to = this.length): Uint8Array {
    const words = this.#words;
    const element = this.#element;
    if (!this.#wide) {
      for (let i = from; i < Math.min(to, words.length); i++) words[i] = element();
      return this.bytes;
    }
    for (let i = from; i < to; i++) {
      const value = element();
      // Storing takes them modulo 2³².
      words[2 * i] = value;
      words[2 * i + 1] = this.#high(value);
    }
    return this.bytes;
  }
}
