import { AssayError } from '../../../attestation/encoding/error.js';

/** Protobuf wire types (protobuf.dev, "Encoding"); groups (3 and 4) are refused. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const REPLACEMENT = '\uFFFD';

export function malformed(what: string): AssayError {
  return new AssayError('TENSOR_WIRE', `the message is not well-formed protobuf: ${what}`);
}

/** UTF-8, strictly. Buffer's decoder is several times faster than a strict one but replaces. */
export function utf8Text(bytes: Buffer): string {
  const text = bytes.toString('utf8');
  if (!text.includes(REPLACEMENT)) return text;
  try {
    return strictUtf8.decode(bytes);
  } catch {
    throw malformed('a string is not UTF-8');
  }
}

/** A bounded walk over one message's fields. Throws TENSOR_WIRE, never reads past the end. */
export class FieldReader {
  readonly #bytes: Buffer;
  #offset = 0;
  /** Of the field that `next` stopped at. */
  field = 0;
  wire = 0;

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  /** Reads the next tag; false at the end. The caller must then read or skip the value. */
  next(): boolean {
    if (this.#offset >= this.#bytes.length) return false;
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.wire = tag % 8;
    if (this.field === 0) throw malformed('field number 0');
    return true;
  }

  /** An unsigned varint below 2^53, which all tags and lengths are. */
  varint(): number {
    const bytes = this.#bytes;
    let value = 0;
    let scale = 1;
    for (let count = 0; count < 10; count++) {
      const byte = bytes[this.#offset];
      if (byte === undefined) throw malformed('a varint runs past the end');
      this.#offset += 1;
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
      const byte = this.#bytes[this.#offset];
      if (byte === undefined) throw malformed('a varint runs past the end');
      this.#offset += 1;
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return BigInt.asUintN(64, value);
    }
    throw malformed('a varint is longer than 10 bytes');
  }

  double(): number {
    return this.#take(8).readDoubleLE(0);
  }

  /** A length-delimited value, in place. */
  bytes(): Buffer {
    if (this.wire !== WIRE.bytes) throw malformed(`field ${this.field} has wire type ${this.wire}`);
    return this.#take(this.varint());
  }

  text(): string {
    return utf8Text(this.bytes());
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
        this.#take(8);
        break;
      case WIRE.bytes:
        this.#take(this.varint());
        break;
      case WIRE.fixed32:
        this.#take(4);
        break;
      default:
        throw malformed(`field ${this.field} has wire type ${this.wire}`);
    }
  }

  #take(length: number): Buffer {
    const end = this.#offset + length;
    if (end > this.#bytes.length) throw malformed('a field runs past the end');
    const taken = this.#bytes.subarray(this.#offset, end);
    this.#offset = end;
    return taken;
  }
}
