import { AssayError } from '../../../attestation/encoding/error.js';

/** Protobuf wire types (protobuf.dev, "Encoding"); groups (3 and 4) are refused. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const REPLACEMENT = '\uFFFD';

export function malformed(what: string): AssayError {
  return new AssayError('TENSOR_WIRE', `the message is not well-formed protobuf: ${what}`);
}

/** UTF-8, strictly. Buffer's decoder is several times faster than a strict one but replaces. */
function utf8Text(bytes: Buffer, start: number, end: number): string {
  const text = bytes.toString('utf8', start, end);
  if (!text.includes(REPLACEMENT)) return text;
  try {
    return strictUtf8.decode(bytes.subarray(start, end));
  } catch {
    throw malformed('a string is not UTF-8');
  }
}

/** A bounded walk over one message's fields. Throws TENSOR_WIRE, never reads past the end. */
export class FieldReader {
  readonly #bytes: Buffer;
  readonly #end: number;
  #offset: number;
  /** Of the field that `next` stopped at. */
  field = 0;
  wire = 0;

  constructor(bytes: Buffer, start = 0, end = bytes.length) {
    this.#bytes = bytes;
    this.#offset = start;
    this.#end = end;
  }

  get atEnd(): boolean {
    return this.#offset >= this.#end;
  }

  /** Reads the next tag; false at the end. The caller must then read or skip the value. */
  next(): boolean {
    if (this.#offset >= this.#end) return false;
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.wire = tag % 8;
    if (this.field === 0) throw malformed('field number 0');
    return true;
  }

  /** An unsigned varint below 2^53, which all tags and lengths are. */
  varint(): number {
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      const byte = this.#byte();
      value += (byte & 0x7f) * scale;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw malformed('a length or tag is too large');
        return value;
      }
      scale *= 128;
    }
    throw malformed('a varint is longer than 10 bytes');
  }

  /** An int64 or uint64 varint, as its 64 bits. */
  varint64(): bigint {
    let value = 0n;
    for (let shift = 0n; shift < 70n; shift += 7n) {
      const byte = this.#byte();
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw malformed('a varint is longer than 10 bytes');
  }

  #byte(): number {
    const byte = this.#offset < this.#end ? this.#bytes[this.#offset] : undefined;
    if (byte === undefined) throw malformed('a varint runs past the end');
    this.#offset += 1;
    return byte;
  }

  double(): number {
    return this.#bytes.readDoubleLE(this.#pass(8));
  }

  /** A length-delimited value, in place. */
  bytes(): Buffer {
    const start = this.#passBytes();
    return this.#bytes.subarray(start, this.#offset);
  }

  /** A reader of a length-delimited value, which keeps to its bounds. */
  message(): FieldReader {
    const start = this.#passBytes();
    return new FieldReader(this.#bytes, start, this.#offset);
  }

  text(): string {
    const start = this.#passBytes();
    return utf8Text(this.#bytes, start, this.#offset);
  }

  /**
   * The value of a repeated scalar as the bytes that a packed field would hold: packed and unpacked
   * occurrences then differ in nothing, and their concatenation is the whole field.
   */
  packed(wire: number): Buffer {
    if (this.wire === WIRE.bytes) return this.bytes();
    if (this.wire !== wire) throw malformed(`field ${this.field} has wire type ${this.wire}`);
    const start = this.#offset;
    this.skip();
    return this.#bytes.subarray(start, this.#offset);
  }

  /** Passes over the value, whatever it is: unknown fields are ignored, as proto3 says. */
  skip(): void {
    switch (this.wire) {
      case WIRE.varint:
        this.varint64();
        break;
      case WIRE.fixed64:
        this.#pass(8);
        break;
      case WIRE.bytes:
        this.#pass(this.varint());
        break;
      case WIRE.fixed32:
        this.#pass(4);
        break;
      default:
        throw malformed(`field ${this.field} has wire type ${this.wire}`);
    }
  }

  /** Passes over a length-delimited value and returns where it starts. */
  #passBytes(): number {
    if (this.wire !== WIRE.bytes) throw malformed(`field ${this.field} has wire type ${this.wire}`);
    return this.#pass(this.varint());
  }

  /** Passes over so many bytes and returns where they start. */
  #pass(length: number): number {
    const start = this.#offset;
    if (start + length > this.#end) throw malformed('a field runs past the end');
    this.#offset = start + length;
    return start;
  }
}
