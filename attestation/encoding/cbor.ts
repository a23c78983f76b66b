import { Decoder, Tag } from 'cbor-x';
import { compareBytes, equalBytes, utf8 } from './bytes.js';
import { CBOR_NULL, type CborWriter, isShortAscii, writeCbor } from './cbor-writer.js';
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
/**
 * Items of one document, map keys included: an item of one byte becomes objects of hundreds. A manifest
 * has some 80 for most models, and an RTMR3 log of 4096 events 20 thousand.
 */
export const MAX_ITEMS = 128 * 1024;

const decoder = new Decoder({
  mapsAsObjects: false,
  useRecords: false,
  tagUint8Array: false,
  structuredClone: false,
});

/** An item as cbor-x decodes it. */
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

/** Bytewise order of encoded keys: unsigned integers, negative ones, texts by length, then bytes. */
function compareKeys(a: CborKey, b: CborKey): number {
  if (typeof a === 'number') {
    if (typeof b !== 'number') return -1;
    return a >= 0 !== b >= 0 ? (a >= 0 ? -1 : 1) : Math.abs(a) - Math.abs(b);
  }
  if (typeof b === 'number') return 1;
  if (isShortAscii(a) && isShortAscii(b)) return a.length - b.length || (a < b ? -1 : 1);
  const [left, right] = [utf8(a), utf8(b)];
  return left.length - right.length || compareBytes(left, right);
}

/** The map's members in the order of their encoded keys; nearly always they are in it already. */
function inOrder(map: ReadonlyMap<CborKey, CborValue>): Iterable<readonly [CborKey, CborValue]> {
  let previous: CborKey | undefined;
  for (const key of map.keys()) {
    if (previous !== undefined && compareKeys(previous, key) > 0) {
      return [...map].sort(([a], [b]) => compareKeys(a, b));
    }
    previous = key;
  }
  return map;
}

function write(writer: CborWriter, value: CborValue, depth: number): void {
  if (depth > MAX_DEPTH) bad(`nesting deeper than ${MAX_DEPTH}`);
  if (typeof value === 'number' || typeof value === 'bigint') writer.integer(value);
  else if (typeof value === 'string') writer.text(value);
  else if (value === null) writer.byte(CBOR_NULL);
  else if (typeof value === 'boolean') writer.byte(value ? 0xf5 : 0xf4);
  else if (value instanceof Uint8Array) writer.bytes(value);
  else if (isTagged(value)) {
    writer.head(6, value.tag);
    write(writer, value.value, depth + 1);
  } else if (isCborMap(value)) {
    writer.head(5, value.size);
    for (const [key, member] of inOrder(value)) {
      write(writer, key, depth + 1);
      write(writer, member, depth + 1);
    }
  } else if (Array.isArray(value)) {
    writer.head(4, value.length);
    for (const item of value) write(writer, item, depth + 1);
  } else bad('expected null, a boolean, an integer, text, bytes, an array or a Map');
}

/**
 * Core deterministic encoding, RFC 8949 section 4.2.1: shortest heads, definite lengths, map keys in
 * bytewise order. Throws CBOR_VALUE for anything outside `CborValue`. Written here and not left to
 * cbor-x, which writes none of the three: it is also five times as fast, and a receipt is encoded for
 * each inference.
 */
export function encodeCbor(value: CborValue): Uint8Array<ArrayBuffer> {
  return writeCbor((writer) => write(writer, value, 0));
}

/**
 * Bounds an item before cbor-x may allocate for it: depth, lengths against the bytes that are there,
 * how many items there are, and only the item kinds of `CborValue`. Returns the offset behind the item.
 */
function scan(bytes: Uint8Array, start: number, depth: number, budget: { items: number }): number {
  if (budget.items-- === 0) bad(`expected at most ${MAX_ITEMS} items`);
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
    return scan(bytes, offset, depth + 1, budget);
  }
  if (argument > bytes.length - offset) bad('a length runs past the end of the input');
  if (major < 4) return offset + argument;
  const items = major === 5 ? argument * 2 : argument;
  for (let i = 0; i < items; i++) offset = scan(bytes, offset, depth + 1, budget);
  return offset;
}

/** Items of what `encodeCbor` made, as a decoder counts them: it reads MAX_ITEMS at most. */
export function countItems(bytes: Uint8Array): number {
  const budget = { items: Number.MAX_SAFE_INTEGER };
  scan(bytes, 0, 0, budget);
  return Number.MAX_SAFE_INTEGER - budget.items;
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
 * @param maxBytes what the format needs at most; 64 MiB unless given.
 */
export function decodeCbor(bytes: Uint8Array, maxBytes: number = MAX_BYTES): CborValue {
  if (bytes.length > maxBytes) bad(`expected at most ${maxBytes} bytes, not ${bytes.length}`);
  const end = scan(bytes, 0, 0, { items: MAX_ITEMS });
  if (end !== bytes.length) {
    throw new AssayError('CBOR_TRAILING', `${bytes.length - end} bytes follow the CBOR item`);
  }
  let value: CborValue;
  try {
    value = relax(decoder.decode(bytes.subarray()) as Item);
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
