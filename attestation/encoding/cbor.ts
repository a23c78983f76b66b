import { Decoder, Tag } from 'cbor-x';
import { compareBytes, equalBytes, utf8 } from './bytes.js';
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

const LIMIT_32 = 0x1_0000_0000;

/** An output larger than this is not kept for the next. */
const MAX_KEPT = 64 * 1024;

/** A growing output, used again and again; RFC 8949 section 3 for heads. */
class Writer {
  #bytes = new Uint8Array(512);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Forgets what was written, also by an encoding that threw. */
  reset(): void {
    this.#length = 0;
    if (this.#bytes.length <= MAX_KEPT) return;
    this.#bytes = new Uint8Array(512);
    this.#view = new DataView(this.#bytes.buffer);
  }

  #grow(more: number): number {
    const start = this.#length;
    this.#length += more;
    if (this.#length > this.#bytes.length) {
      const larger = new Uint8Array(2 * this.#length);
      larger.set(this.#bytes.subarray(0, start));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    return start;
  }

  byte(value: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }

  /** The shortest head for a major type and its argument, a non-negative number. */
  head(major: number, argument: number): void {
    const type = major << 5;
    if (argument < 24) {
      this.byte(type | argument);
    } else if (argument < 0x100) {
      const at = this.#grow(2);
      this.#bytes[at] = type | 24;
      this.#bytes[at + 1] = argument;
    } else if (argument < 0x1_0000) {
      const at = this.#grow(3);
      this.#bytes[at] = type | 25;
      this.#view.setUint16(at + 1, argument);
    } else if (argument < LIMIT_32) {
      const at = this.#grow(5);
      this.#bytes[at] = type | 26;
      this.#view.setUint32(at + 1, argument);
    } else this.head64(major, BigInt(argument));
  }

  head64(major: number, argument: bigint): void {
    const at = this.#grow(9);
    this.#bytes[at] = (major << 5) | 27;
    this.#view.setBigUint64(at + 1, argument);
  }

  bytes(value: Uint8Array): void {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
  }

  done(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }
}

/** Encoding is synchronous and calls nothing of its callers', so one writer serves all. */
const writer = new Writer();

function writeInteger(writer: Writer, value: number | bigint): void {
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value)) bad('expected an integer: floats have no place here');
    if (value >= 0) writer.head(0, value);
    else writer.head(1, -1 - value);
    return;
  }
  if (value >= 1n << 64n || value < -(1n << 63n)) bad('expected an integer of at most 64 bits');
  const [major, argument] = value >= 0n ? [0, value] : [1, -1n - value];
  if (argument < BigInt(LIMIT_32)) writer.head(major, Number(argument));
  else writer.head64(major, argument);
}

/** Short ASCII, as nearly every key and value is, is its own UTF-8 and orders as its bytes do. */
function isShortAscii(value: string): boolean {
  if (value.length > 64) return false;
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0x7f) return false;
  return true;
}

function writeText(writer: Writer, value: string): void {
  if (isShortAscii(value)) {
    writer.head(3, value.length);
    for (let i = 0; i < value.length; i++) writer.byte(value.charCodeAt(i));
    return;
  }
  if (!value.isWellFormed()) bad('expected well-formed text');
  const bytes = utf8(value);
  writer.head(3, bytes.length);
  writer.bytes(bytes);
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

function write(writer: Writer, value: CborValue, depth: number): void {
  if (depth > MAX_DEPTH) bad(`nesting deeper than ${MAX_DEPTH}`);
  if (typeof value === 'number' || typeof value === 'bigint') writeInteger(writer, value);
  else if (typeof value === 'string') writeText(writer, value);
  else if (value === null) writer.byte(0xf6);
  else if (typeof value === 'boolean') writer.byte(value ? 0xf5 : 0xf4);
  else if (value instanceof Uint8Array) {
    writer.head(2, value.length);
    writer.bytes(value);
  } else if (isTagged(value)) {
    writer.head(6, value.tag);
    write(writer, value.value, depth + 1);
  } else if (isCborMap(value)) {
    writer.head(5, value.size);
    const entries = [...value].sort(([a], [b]) => compareKeys(a, b));
    for (const [key, member] of entries) {
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
  writer.reset();
  write(writer, value, 0);
  return writer.done();
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
