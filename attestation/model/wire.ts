import { fromUtf8 } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';

/** How a field is encoded (Protocol Buffers, "Encoding"); the deprecated groups are refused. */
export const wireType = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

/** Longest name or domain, bytes. */
const MAX_TEXT = 64 * 1024;

/**
 * Messages and names that one model may have: those of a hundred thousand nodes, and of as many initializers
 * with external data. What is kept of one, digests included, takes up to 700 bytes, of an output of a node up to
 * 1000, and of all at most about 2.5 GB.
 */
const MAX_PARTS = 2_500_000;

/** Messages of which more is kept count for several: scopes with their maps, tensors with their views. */
const WEIGHTS: Readonly<Record<string, number>> = { GraphProto: 3, TensorProto: 3 };

/**
 * What a walk may still spend. Every message and every name has its price, since each is kept as an
 * object, so that memory is bounded by the budget and not by how small a sender can make them.
 */
export class WalkBudget {
  #left = MAX_PARTS;

  spend(parts = 1): void {
    this.#left -= parts;
    if (this.#left < 0) {
      throw new AssayError(
        'MODEL_TOO_COMPLEX',
        `expected at most ${MAX_PARTS} messages and names in a model, where a tensor or graph counts for 3`,
      );
    }
  }
}

/**
 * A cursor over the fields of one protobuf message. Nothing is copied: `bytes()` returns views.
 *
 * Stricter than protobuf, because two parsers must not read two models out of one file: a singular
 * field that occurs twice, an unknown field, a wrong wire type, a group and malformed UTF-8 are
 * refused. Packed and unpacked repeated numbers are both accepted, as protobuf demands.
 */
export class WireReader {
  readonly #bytes: Uint8Array;
  readonly #what: string;
  readonly #budget: WalkBudget | null;
  #offset = 0;
  #tagOffset = 0;
  #seen = 0;
  #wire = 0;
  /** Field number of the current field. */
  number = 0;
  /** The last varint modulo 2^64, as two unsigned halves. */
  low = 0;
  high = 0;

  /** @param budget null for a second reading, which keeps nothing. */
  constructor(bytes: Uint8Array, what: string, budget: WalkBudget | null) {
    this.#bytes = bytes;
    this.#what = what;
    this.#budget = budget;
    budget?.spend(WEIGHTS[what]);
  }

  /** Offset of the current field's tag in the message. */
  get tagOffset(): number {
    return this.#tagOffset;
  }

  /** Offset behind what was read last. */
  get offset(): number {
    return this.#offset;
  }

  get wire(): number {
    return this.#wire;
  }

  #bad(reason: string): never {
    throw new AssayError('MODEL_WIRE', `${this.#what} at byte ${this.#offset}: ${reason}`);
  }

  /** Moves to the next field; false at the end of the message. */
  next(): boolean {
    if (this.#offset >= this.#bytes.length) return false;
    this.#tagOffset = this.#offset;
    this.readVarint();
    if (this.high !== 0 || this.#offset - this.#tagOffset > 5) this.#bad('the tag is too long');
    this.#wire = this.low & 7;
    this.number = this.low >>> 3;
    if (this.number === 0) this.#bad('field number 0 is not valid');
    return true;
  }

  /** Reads a varint into `low` and `high`. */
  readVarint(): void {
    let low = 0;
    let high = 0;
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#bytes[this.#offset];
      if (byte === undefined) this.#bad('the message ends inside a number');
      this.#offset += 1;
      const bits = byte & 0x7f;
      if (shift < 28) low |= bits << shift;
      else if (shift === 28) {
        low |= bits << 28;
        high = bits >>> 4;
      } else if (shift === 63) {
        if (bits > 1) this.#bad('a number has more than 64 bits');
        high |= bits << 31;
      } else high |= bits << (shift - 32);
      if (byte < 0x80) {
        this.low = low >>> 0;
        this.high = high >>> 0;
        return;
      }
    }
    this.#bad('a number is longer than 10 bytes');
  }

  /** True while a packed sequence, opened on its own reader, has elements. */
  get more(): boolean {
    return this.#offset < this.#bytes.length;
  }

  /** Requires that the current field has not occurred before in this message. */
  once(): this {
    const bit = 1 << this.number;
    if ((this.#seen & bit) !== 0) this.#bad(`field ${this.number} occurs more than once`);
    this.#seen |= bit;
    return this;
  }

  #expect(wire: number): void {
    if (this.#wire !== wire) {
      this.#bad(`field ${this.number} has wire type ${this.#wire}, expected ${wire}`);
    }
  }

  #take(length: number): Uint8Array {
    const left = this.#bytes.length - this.#offset;
    if (length > left) this.#bad(`${length} bytes are declared but ${left} remain`);
    const start = this.#offset;
    this.#offset += length;
    return this.#bytes.subarray(start, this.#offset);
  }

  /** A length-delimited field, as a view. */
  bytes(): Uint8Array {
    this.#expect(wireType.bytes);
    this.readVarint();
    return this.#take(this.high * 2 ** 32 + this.low);
  }

  /** A name: UTF-8 of at most 64 KiB. */
  text(): string {
    this.#budget?.spend();
    const bytes = this.bytes();
    if (bytes.length > MAX_TEXT) this.#bad(`a name is longer than ${MAX_TEXT} bytes`);
    try {
      return fromUtf8(bytes);
    } catch (cause) {
      throw new AssayError('MODEL_WIRE', `${this.#what}: a name is not UTF-8`, cause);
    }
  }

  /** The four bytes of a float or the eight of a double. */
  fixed(width: 4 | 8): Uint8Array {
    this.#expect(width === 4 ? wireType.fixed32 : wireType.fixed64);
    return this.#take(width);
  }

  /** A signed 64-bit number. */
  int64(): bigint {
    this.#expect(wireType.varint);
    this.readVarint();
    return BigInt.asIntN(64, (BigInt(this.high) << 32n) | BigInt(this.low));
  }

  /** A signed 32-bit number or an enum: protobuf keeps the low 32 bits. */
  int32(): number {
    this.#expect(wireType.varint);
    this.readVarint();
    return this.low | 0;
  }

  /** One element of a repeated int64 field, or all of them where they are packed. */
  int64s(into: bigint[], limit: number): void {
    const add = (value: bigint): void => {
      if (into.length >= limit) this.#bad(`field ${this.number} has more than ${limit} elements`);
      into.push(value);
    };
    if (this.#wire !== wireType.bytes) {
      add(this.int64());
      return;
    }
    const packed = new WireReader(this.bytes(), this.#what, null);
    while (packed.more) {
      packed.readVarint();
      add(BigInt.asIntN(64, (BigInt(packed.high) << 32n) | BigInt(packed.low)));
    }
  }

  /** Skips the current field, whatever its wire type. */
  skip(): void {
    if (this.#wire === wireType.varint) this.readVarint();
    else if (this.#wire === wireType.fixed32) this.#take(4);
    else if (this.#wire === wireType.fixed64) this.#take(8);
    else this.bytes();
  }

  /** Refuses the current field: what this version does not know it cannot measure. */
  unknown(): never {
    throw new AssayError(
      'MODEL_FIELD_UNKNOWN',
      `${this.#what} has a field ${this.number}, which ONNX IR version 14 does not define`,
    );
  }
}
