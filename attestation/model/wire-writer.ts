import { utf8 } from '../encoding/bytes.js';
import { wireType } from './wire.js';

/** A message up to this size becomes one piece: an object for each field takes more memory than its bytes. */
const JOINED = 4096;
/** Of a varint of 64 bits. */
const LONGEST = 10;

/** Writes a 64-bit number, given as two unsigned halves, as the shortest varint; returns where it ends. */
export function putVarint(into: Uint8Array, start: number, low: number, high: number): number {
  let [at, lower, upper] = [start, low, high];
  while (upper !== 0 || lower >= 0x80) {
    into[at] = (lower & 0x7f) | 0x80;
    lower = ((lower >>> 7) | (upper << 25)) >>> 0;
    upper >>>= 7;
    at += 1;
  }
  into[at] = lower;
  return at + 1;
}

/** A field's tag, and behind it a safe integer that is not negative: its value, or the length of its content. */
function head(number: number, wire: number, value: number): Uint8Array {
  const bytes = new Uint8Array(2 * LONGEST);
  const at = putVarint(bytes, 0, number * 8 + wire, 0);
  return bytes.subarray(0, putVarint(bytes, at, value >>> 0, Math.floor(value / 2 ** 32)));
}

/** One protobuf message as it is written: fields in the order of the calls, long content in place. */
export class WireWriter {
  readonly #pieces: Uint8Array[] = [];
  #length = 0;

  /** Bytes so far. */
  get length(): number {
    return this.#length;
  }

  /** Fields that are encoded already; a view, not copied. */
  raw(fields: Uint8Array): void {
    this.#pieces.push(fields);
    this.#length += fields.length;
  }

  int(number: number, value: number): void {
    this.raw(head(number, wireType.varint, value));
  }

  int64(number: number, value: bigint): void {
    const bytes = new Uint8Array(2 * LONGEST);
    const at = putVarint(bytes, 0, number * 8 + wireType.varint, 0);
    const bits = BigInt.asUintN(64, value);
    const end = putVarint(bytes, at, Number(bits & 0xffff_ffffn), Number(bits >> 32n));
    this.raw(bytes.subarray(0, end));
  }

  /** The four bytes of a float. */
  float(number: number, bytes: Uint8Array): void {
    this.raw(Uint8Array.of(number * 8 + wireType.fixed32, ...bytes));
  }

  bytes(number: number, content: Uint8Array): void {
    this.#field(number, [content], content.length);
  }

  text(number: number, text: string): void {
    this.bytes(number, utf8(text));
  }

  /** A repeated field, in one piece. */
  strings(number: number, strings: Iterable<Uint8Array>, most: number): void {
    const into = new Uint8Array(most);
    let at = 0;
    for (const string of strings) {
      at = putVarint(into, at, number * 8 + wireType.bytes, 0);
      at = putVarint(into, at, string.length, 0);
      into.set(string, at);
      at += string.length;
    }
    this.raw(into.subarray(0, at));
  }

  message(number: number, content: WireWriter): void {
    this.#field(number, content.#pieces, content.length);
  }

  #field(number: number, content: readonly Uint8Array[], length: number): void {
    const first = head(number, wireType.bytes, length);
    const pieces = [first, ...content];
    if (length > JOINED) for (const piece of pieces) this.raw(piece);
    else this.raw(joined(pieces, new Uint8Array(first.length + length)));
  }

  /** Writes all of it to bytes of its length. */
  into(bytes: Uint8Array): Uint8Array {
    return joined(this.#pieces, bytes);
  }
}

function joined(pieces: readonly Uint8Array[], into: Uint8Array): Uint8Array {
  let at = 0;
  for (const piece of pieces) {
    into.set(piece, at);
    at += piece.length;
  }
  return into;
}
