import { Encoder, Tag } from 'cbor-x';
import { compareBytes, equalBytes } from './bytes.js';
import { AssayError } from './error.js';

/** Map keys: text, or integers as in COSE and CWT. */
export type CborKey = string | number;

/** A COSE_Sign1 is the only tagged item that any of Assay's formats has (RFC 9052 section 4.2). */
export const TAG_SIGN1 = 18;

/** Everything that Assay's formats contain: no floats, no undefined, no indefinite lengths. */
export type CborValue =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | readonly CborValue[]
  | ReadonlyMap<CborKey, CborValue>
  | CborTagged;

/** A tagged item. */
export interface CborTagged {
  readonly tag: number;
  readonly value: CborValue;
}

const MAX_DEPTH = 16;
const MAX_BYTES = 64 * 1024 * 1024;

const codec = new Encoder({
  mapsAsObjects: false,
  useRecords: false,
  tagUint8Array: false,
  structuredClone: false,
});

/** An item of cbor-x: what `normalise` makes and what it decodes to. */
type Item =
  | number
  | bigint
  | string
  | boolean
  | null
  | Uint8Array
  | Item[]
  | Map<CborKey, Item>
  | Tag;

export function isCborMap(value: CborValue | undefined): value is ReadonlyMap<CborKey, CborValue> {
  return value instanceof Map;
}

export function isTagged(value: CborValue | undefined): value is CborTagged {
  return value instanceof Tag;
}

/** Wraps a COSE_Sign1 in its tag. */
export function taggedSign1(value: CborValue): CborTagged {
  return new Tag(value, TAG_SIGN1) as CborTagged;
}

function bad(message: string): never {
  throw new AssayError('CBOR_VALUE', message);
}

/** cbor-x writes integers beyond 32 bits as floats unless they are bigint, and short bigints long. */
function integer(value: number | bigint): number | bigint {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) bad('expected an integer: floats have no place here');
    return value > 0xffff_ffff || value < -0x1_0000_0000 ? BigInt(value) : value;
  }
  if (value >= -0x1_0000_0000n && value <= 0xffff_ffffn) return Number(value);
  if (value >= 1n << 64n || value < -(1n << 63n)) bad('expected an integer of at most 64 bits');
  return value;
}

function normalise(value: CborValue, depth: number): Item {
  if (depth > MAX_DEPTH) bad(`nesting deeper than ${MAX_DEPTH}`);
  if (typeof value === 'number' || typeof value === 'bigint') return integer(value);
  if (typeof value === 'string') {
    return value.isWellFormed() ? value : bad('expected well-formed text');
  }
  if (typeof value === 'boolean' || value === null || value instanceof Uint8Array) return value;
  if (isTagged(value)) return new Tag(normalise(value.value, depth + 1), value.tag);
  if (isCborMap(value)) {
    const entries = [...value].map(([key, member]) => ({
      key: typeof key === 'number' ? (integer(key) as number) : key,
      order: new Uint8Array(codec.encode(key)),
      member: normalise(member, depth + 1),
    }));
    entries.sort((a, b) => compareBytes(a.order, b.order));
    return new Map(entries.map(({ key, member }) => [key, member]));
  }
  if (Array.isArray(value)) {
    return value.map((item: CborValue) => normalise(item, depth + 1));
  }
  return bad('expected null, a boolean, an integer, text, bytes, an array or a Map');
}

/**
 * Core deterministic encoding, RFC 8949 section 4.2.1: shortest heads, definite lengths, map keys in
 * bytewise order. Throws CBOR_VALUE for anything outside `CborValue`.
 */
export function encodeCbor(value: CborValue): Uint8Array<ArrayBuffer> {
  return new Uint8Array(codec.encode(normalise(value, 0)));
}

/**
 * Bounds an item before cbor-x may allocate for it: depth, lengths against the bytes that are there,
 * and only the item kinds of `CborValue`. Returns the offset behind the item.
 */
function scan(bytes: Uint8Array, start: number, depth: number): number {
  if (depth > MAX_DEPTH) bad(`nesting deeper than ${MAX_DEPTH}`);
  const head = bytes[start];
  if (head === undefined) return bad('the input ends inside an item');
  const major = head >> 5;
  const info = head & 31;
  if (major === 7) {
    if (info < 20 || info > 22) bad('floats, undefined and simple values are not used here');
    return start + 1;
  }
  if (info > 27) bad('indefinite lengths are not deterministic');
  const width = info < 24 ? 0 : 1 << (info - 24);
  let offset = start + 1 + width;
  if (offset > bytes.length) bad('the input ends inside an item');
  if (major < 2) return offset;
  let argument = info;
  if (width > 0) {
    argument = 0;
    for (let i = start + 1; i < offset; i++) argument = argument * 256 + (bytes[i] ?? 0);
  }
  if (major === 6) {
    if (argument !== TAG_SIGN1) bad(`tag ${argument} is not used here`);
    return scan(bytes, offset, depth + 1);
  }
  if (argument > bytes.length - offset) bad('a length runs past the end of the input');
  if (major < 4) return offset + argument;
  const items = major === 5 ? argument * 2 : argument;
  for (let i = 0; i < items; i++) offset = scan(bytes, offset, depth + 1);
  return offset;
}

/** cbor-x gives bigint for eight-byte integers; callers see numbers wherever these are exact. */
function relax(item: Item): CborValue {
  if (typeof item === 'bigint') {
    const near = Number(item);
    return Number.isSafeInteger(near) ? near : item;
  }
  if (item instanceof Uint8Array) return new Uint8Array(item);
  if (item instanceof Tag) {
    return new Tag(relax(item.value as Item), item.tag) as CborTagged;
  }
  if (item instanceof Map) {
    const map = new Map<CborKey, CborValue>();
    for (const [key, member] of item) {
      const relaxed = relax(key);
      if (typeof relaxed !== 'string' && typeof relaxed !== 'number') {
        return bad('map keys are text or integers');
      }
      map.set(relaxed, relax(member));
    }
    return map;
  }
  return Array.isArray(item) ? item.map(relax) : item;
}

/**
 * Decodes exactly one item and accepts it only if it re-encodes to the same bytes, so that every
 * value has one encoding. Throws CBOR_VALUE (malformed or unused kinds), CBOR_TRAILING (bytes behind
 * the item) or CBOR_NOT_DETERMINISTIC (any other encoding than the deterministic one, repeated keys
 * included).
 */
export function decodeCbor(bytes: Uint8Array): CborValue {
  if (bytes.length > MAX_BYTES) bad(`expected at most ${MAX_BYTES} bytes, not ${bytes.length}`);
  const end = scan(bytes, 0, 0);
  if (end !== bytes.length) {
    throw new AssayError('CBOR_TRAILING', `${bytes.length - end} bytes follow the CBOR item`);
  }
  let value: CborValue;
  try {
    value = relax(codec.decode(bytes.subarray()) as Item);
  } catch (cause) {
    if (cause instanceof AssayError) throw cause;
    throw new AssayError('CBOR_VALUE', 'expected one well-formed CBOR item', cause);
  }
  if (!equalBytes(encodeCbor(value), bytes)) {
    throw new AssayError(
      'CBOR_NOT_DETERMINISTIC',
      'the CBOR is not in its deterministic encoding (RFC 8949 section 4.2.1)',
    );
  }
  return value;
}
