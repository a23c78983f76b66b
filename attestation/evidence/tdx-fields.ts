import { namedBits } from './bits.js';

/**
 * Bits of TDATTRIBUTES (Intel TDX Module Base Architecture Specification, TD attributes). Bits 7:0
 * (TUD) say that a TD is under debug, bits 31:8 may weaken it, bits 63:32 do not.
 */
export const TD_ATTRIBUTE_BITS = {
  DEBUG: 0,
  LASS: 27,
  SEPT_VE_DISABLE: 28,
  MIGRATABLE: 29,
  PKS: 30,
  KL: 31,
  PERFMON: 63,
} as const;

export type TdAttributeBit = keyof typeof TD_ATTRIBUTE_BITS;

/** The bits of TDATTRIBUTES that say that a TD is under debug; bits 7:1 have no names yet. */
export const TUD = 0xffn;

/** XFAM bits that every TD has: x87 and SSE. */
export const XFAM_FIXED1 = 0x3n;
/** XFAM bits that a TD may have. */
export const XFAM_FIXED0 = 0x6dbe7n;

/** The integer of a little-endian bit field. */
export function bitField(bytes: Uint8Array): bigint {
  return bytes.reduceRight((value, byte) => (value << 8n) | BigInt(byte), 0n);
}

/** Bits of TDATTRIBUTES that have no name here and are not of TUD, so that nobody knows what they say. */
export function unknownAttributeBits(raw: bigint): bigint {
  const bits = Object.values(TD_ATTRIBUTE_BITS);
  return bits.reduce((rest, bit) => rest & ~(1n << BigInt(bit)), raw & ~TUD);
}

/** The bits of TDATTRIBUTES by name. */
export function namedAttributes(bytes: Uint8Array): { readonly [name: string]: boolean } {
  return namedBits(bitField(bytes), TD_ATTRIBUTE_BITS);
}
