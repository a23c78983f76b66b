import { AssayError } from '../../../attestation/encoding/error.js';
import { totalLength } from '../../engine/pieces.js';

/** Protobuf wire types (protobuf.dev, "Encoding"); groups (3 and 4) are refused. */
export const WIRE = { varint: 0, fixed64: 1, bytes: 2, fixed32: 5 } as const;

const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const REPLACEMENT = '\uFFFD';
const EMPTY = Buffer.alloc(0);
const NONE: readonly Buffer[] = [];
const PAST_THE_END = 'a field runs past the end';

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

/** Each occurrence of a packed field holds whole elements (protobuf.dev, "Encoding"). */
function assertWholeElements(pieces: readonly Buffer[], wire: number): void {
  const whole =
    wire === WIRE.varint
      ? (pieces.at(-1)?.at(-1) ?? 0) < 0x80
      : totalLength(pieces) % (wire === WIRE.fixed32 ? 4 : 8) === 0;
  if (!whole) throw malformed('a packed field ends within an element');
}

/** Longest encoding of a varint, bytes. */
const VARINT = 10;

/**
 * Fields of one message, its submessages included: the shortest takes two bytes, and can cost a hundred
 * times as much in memory, on the thread that every other caller waits for too.
 */
const MOST_FIELDS = 2 ** 18;

/**
 * A bounded walk over the fields of one message, which may lie in memory in pieces. Throws TENSOR_WIRE,
 * never reads past the end.
 */
export class FieldReader {
  /** The piece that it is in, or a copy of what spans several. */
  #bytes: Buffer;
  #end: number;
  #offset: number;
  /** What is left of a piece whose beginning is in that copy. */
  #rest: Buffer | undefined;
  /** The pieces behind it, from the index `next` on; none is empty. */
  readonly #pieces: readonly Buffer[];
  #next = 0;
  /** Shared by the readers of one message. */
  readonly #fields: { left: number };
  /** Of the field that `next` stopped at. */
  field = 0;
  wire = 0;

  private constructor(
    bytes: Buffer,
    start: number,
    end: number,
    pieces: readonly Buffer[],
    fields: { left: number },
  ) {
    this.#bytes = bytes;
    this.#offset = start;
    this.#end = end;
    this.#pieces = pieces;
    this.#fields = fields;
  }

  static over(pieces: readonly Buffer[], fields = { left: MOST_FIELDS }): FieldReader {
    const [only = EMPTY] = pieces;
    if (pieces.length <= 1) return new FieldReader(only, 0, only.length, NONE, fields);
    const filled = pieces.filter(({ length }) => length > 0);
    return new FieldReader(EMPTY, 0, 0, filled, fields);
  }

  get atEnd(): boolean {
    return this.#offset >= this.#end && this.#isLast;
  }

  get #isLast(): boolean {
    return this.#rest === undefined && this.#next >= this.#pieces.length;
  }

  /** Reads the next tag; false at the end. The caller must then read or skip the value. */
  next(): boolean {
    if (this.atEnd) return false;
    this.countField();
    const tag = this.varint();
    this.field = Math.floor(tag / 8);
    this.wire = tag % 8;
    if (this.field === 0) throw malformed('field number 0');
    return true;
  }

  /** One more of `MOST_FIELDS`, as an element of a packed field counts that becomes an object. */
  countField(): void {
    this.#fields.left -= 1;
    if (this.#fields.left < 0) throw malformed(`it has more than ${MOST_FIELDS} fields`);
  }

  /** An unsigned varint below 2^53, which all tags and lengths are. */
  varint(): number {
    this.#join(VARINT);
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
    this.#join(VARINT);
    let low = 0;
    // Nearly all end here: arithmetic with bigints makes one for each step.
    for (let scale = 1; scale < 2 ** 49; scale *= 128) {
      const byte = this.#byte();
      low += (byte & 0x7f) * scale;
      if (byte < 0x80) return BigInt(low);
    }
    let value = BigInt(low);
    for (let shift = 49n; shift < 70n; shift += 7n) {
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

  /** A length-delimited value in one piece, in place where it is. */
  bytes(): Buffer {
    const start = this.#passBytes();
    return this.#bytes.subarray(start, this.#offset);
  }

  /** A length-delimited value in place, in the pieces that it lies in; none of them is empty. */
  pieces(): Buffer[] {
    return this.#take(this.#length());
  }

  /** A reader of a length-delimited value, which keeps to its bounds. */
  message(): FieldReader {
    const length = this.#length();
    const end = this.#offset + length;
    if (end > this.#end) return FieldReader.over(this.#take(length), this.#fields);
    const start = this.#pass(length);
    return new FieldReader(this.#bytes, start, end, NONE, this.#fields);
  }

  text(): string {
    const start = this.#passBytes();
    return utf8Text(this.#bytes, start, this.#offset);
  }

  /**
   * The bytes of a length-delimited value, a character for each, where they are in one piece and at most so many:
   * what to remember by what was read of it. The value is yet to be read or skipped.
   */
  key(most: number): string | undefined {
    this.#join(VARINT);
    const before = this.#offset;
    const length = this.#length();
    const start = this.#offset;
    this.#offset = before;
    if (length > most || start + length > this.#end) return undefined;
    return this.#bytes.toString('latin1', start, start + length);
  }

  /**
   * The value of a repeated scalar as the bytes that a packed field would hold, in pieces: packed and
   * unpacked occurrences then differ in nothing, and their concatenation is the whole field. Each holds
   * whole elements.
   */
  packed(wire: number): Buffer[] {
    if (this.wire === WIRE.bytes) {
      const pieces = this.pieces();
      assertWholeElements(pieces, wire);
      return pieces;
    }
    if (this.wire !== wire) throw malformed(`field ${this.field} has wire type ${this.wire}`);
    this.#join(VARINT);
    const start = this.#offset;
    this.skip();
    return [this.#bytes.subarray(start, this.#offset)];
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
        this.#take(this.varint());
        break;
      case WIRE.fixed32:
        this.#pass(4);
        break;
      default:
        throw malformed(`field ${this.field} has wire type ${this.wire}`);
    }
  }

  /** The length of a length-delimited value. */
  #length(): number {
    if (this.wire !== WIRE.bytes) throw malformed(`field ${this.field} has wire type ${this.wire}`);
    return this.varint();
  }

  /** Passes over a length-delimited value and returns where it starts. */
  #passBytes(): number {
    return this.#pass(this.#length());
  }

  /** Passes over so many bytes, which are then in one piece, and returns where they start. */
  #pass(length: number): number {
    this.#join(length);
    const start = this.#offset;
    if (start + length > this.#end) throw malformed(PAST_THE_END);
    this.#offset = start + length;
    return start;
  }

  /** Passes over so many bytes in place. */
  #take(length: number): Buffer[] {
    const taken = this.#upTo(length);
    if (totalLength(taken) < length) throw malformed(PAST_THE_END);
    return taken;
  }

  /** Brings so many bytes, or all that are left, into one piece. */
  #join(length: number): void {
    if (this.#end - this.#offset >= length || this.#isLast) return;
    const joined = Buffer.concat(this.#upTo(length));
    if (this.#offset < this.#end) this.#rest = this.#bytes.subarray(this.#offset, this.#end);
    this.#enter(joined);
  }

  #enter(piece: Buffer): void {
    this.#bytes = piece;
    this.#offset = 0;
    this.#end = piece.length;
  }

  /** Passes over so many bytes, or all that are left. */
  #upTo(length: number): Buffer[] {
    const taken: Buffer[] = [];
    for (let left = length; left > 0; ) {
      const stop = Math.min(this.#end, this.#offset + left);
      if (stop > this.#offset) taken.push(this.#bytes.subarray(this.#offset, stop));
      left -= stop - this.#offset;
      this.#offset = stop;
      if (left === 0 || this.#isLast) break;
      this.#enter(this.#rest ?? this.#pieces[this.#next++] ?? EMPTY);
      this.#rest = undefined;
    }
    return taken;
  }
}
