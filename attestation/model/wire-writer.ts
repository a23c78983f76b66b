import { utf8 } from '../encoding/bytes.js';
import { wireType } from './wire.js';

/** A message up to this size becomes one piece: an object for each field takes more memory than its bytes. */
const JOINED = 4096;

/** Base-128 varint of a safe integer that is not negative. */
function varint(value: number): number[] {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) + 128);
  bytes.push(rest);
  return bytes;
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
    this.raw(Uint8Array.from([...varint(number * 8 + wireType.varint), ...varint(value)]));
  }

  bytes(number: number, content: Uint8Array): void {
    this.#field(number, [content], content.length);
  }

  text(number: number, text: string): void {
    this.bytes(number, utf8(text));
  }

  message(number: number, content: WireWriter): void {
    this.#field(number, content.#pieces, content.length);
  }

  #field(number: number, content: readonly Uint8Array[], length: number): void {
    const head = Uint8Array.from([...varint(number * 8 + wireType.bytes), ...varint(length)]);
    const pieces = [head, ...content];
    if (length > JOINED) for (const piece of pieces) this.raw(piece);
    else this.raw(joined(pieces, new Uint8Array(head.length + length)));
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
