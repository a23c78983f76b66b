import type { Datatype, TensorSpec } from './tensor.js';

/** What a sample's elements are. Extremes are what a careless or hostile neighbour would send. */
export type SampleKind = 'ordinary' | 'zero' | 'large' | 'huge' | 'infinite' | 'nan';

export const ADVERSARIES: readonly SampleKind[] = ['zero', 'large', 'huge', 'infinite', 'nan'];

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
const HUGE = { FP16: 6e4, FP32: 1e38, FP64: 1e300 } as const;

/** FP16 bits of the few magnitudes that samples use. */
function halfBits(value: number): number {
  if (Number.isNaN(value)) return 0x7e00;
  const sign = value < 0 ? 0x8000 : 0;
  const size = Math.abs(value);
  if (size === 0) return sign;
  if (size === Infinity) return sign | 0x7c00;
  const exponent = Math.max(-14, Math.min(15, Math.floor(Math.log2(size))));
  const fraction = Math.min(1023, Math.floor((size / 2 ** exponent - 1) * 1024));
  return sign | ((exponent + 15) << 10) | Math.max(0, fraction);
}

function floatElement(kind: SampleKind, huge: number, random: () => number): number {
  const unit = random() * 2 - 1;
  if (kind === 'ordinary') return unit * 3;
  if (kind === 'huge') return Math.sign(unit) * huge;
  return FLOAT_EXTREMES[kind] * (kind === 'large' ? unit : 1);
}

/** Integers stay small: they are often indices, which have no neighbours outside of the table. */
function integerElement(kind: SampleKind, random: () => number): number {
  return kind === 'zero' ? 0 : Math.floor(random() * (kind === 'ordinary' ? 2 : 4));
}

function fill(
  datatype: Exclude<Datatype, 'BYTES'>,
  count: number,
  kind: SampleKind,
  random: () => number,
): Uint8Array {
  const integer = (): number => integerElement(kind, random);
  const big = (): bigint => BigInt(integer());
  const make = (): ArrayBufferView => {
    const length = { length: count };
    switch (datatype) {
      case 'BOOL':
        return Uint8Array.from(length, () => integer() & 1);
      case 'UINT8':
      case 'INT8':
        return Uint8Array.from(length, integer);
      case 'UINT16':
      case 'INT16':
        return Uint16Array.from(length, integer);
      case 'UINT32':
      case 'INT32':
        return Uint32Array.from(length, integer);
      case 'UINT64':
      case 'INT64':
        return BigUint64Array.from(length, big);
      case 'FP16':
        return Uint16Array.from(length, () => halfBits(floatElement(kind, HUGE.FP16, random)));
      case 'FP32':
        return Float32Array.from(length, () => floatElement(kind, HUGE.FP32, random));
      case 'FP64':
        return Float64Array.from(length, () => floatElement(kind, HUGE.FP64, random));
    }
  };
  const { buffer, byteOffset, byteLength } = make();
  return new Uint8Array(buffer, byteOffset, byteLength);
}

/** The elements of one row of each input; `tail` is its shape without dimension 0. */
export function sampleRow(
  inputs: readonly TensorSpec[],
  tails: readonly (readonly number[])[],
  kind: SampleKind,
  random: () => number,
): Uint8Array[] {
  return inputs.map(({ datatype }, index) => {
    const count = (tails[index] ?? []).reduce((product, dimension) => product * dimension, 1);
    return datatype === 'BYTES' ? new Uint8Array() : fill(datatype, count, kind, random);
  });
}
