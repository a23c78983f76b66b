import { utf8 } from './bytes.js';
import { AssayError } from './error.js';

/** The simple value null, RFC 8949 section 3.3. */
export const CBOR_NULL = 0xf6;

const LIMIT_32 = 0x1_0000_0000;

/** An output larger than this is not kept for the next. */
const MAX_KEPT = 64 * 1024;
const INITIAL = 2048;

/** Short ASCII, as nearly every key and value is, is its own UTF-8 and orders as its bytes do. */
export function isShortAscii(value: string): boolean {
  if (value.length > 64) return false;
  for (let i = 0; i < value.length; i++) if (value.charCodeAt(i) > 0x7f) return false;
  return true;
}

/**
 * A growing output of CBOR items, RFC 8949 section 3, always with the shortest head (section 4.2.1). It
 * writes what it is told: the order of a map's keys is its caller's to keep. For the few messages that
 * are written for each inference; everything else is encoded by `encodeCbor`.
 */
export class CborWriter {
  #bytes = new Uint8Array(INITIAL);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;

  /** Forgets what was written, also by an encoding that threw. */
  reset(): void {
    this.#length = 0;
    if (this.#bytes.length <= MAX_KEPT) return;
    this.#bytes = new Uint8Array(INITIAL);
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
    } else this.#head64(major, BigInt(argument));
  }

  #head64(major: number, argument: bigint): void {
    const at = this.#grow(9);
    this.#bytes[at] = (major << 5) | 27;
    this.#view.setBigUint64(at + 1, argument);
  }

  /** An integer of at most 64 bits; throws CBOR_VALUE. */
  integer(value: number | bigint): void {
    if (typeof value === 'number') {
      if (!Number.isSafeInteger(value)) bad('expected an integer: floats have no place here');
      if (value >= 0) this.head(0, value);
      else this.head(1, -1 - value);
      return;
    }
    if (value >= 1n << 64n || value < -(1n << 63n)) bad('expected an integer of at most 64 bits');
    const [major, argument] = value >= 0n ? [0, value] : [1, -1n - value];
    if (argument < BigInt(LIMIT_32)) this.head(major, Number(argument));
    else this.#head64(major, argument);
  }

  /** A text string; throws CBOR_VALUE for lone surrogates. */
  text(value: string): void {
    if (isShortAscii(value)) {
      this.head(3, value.length);
      const at = this.#grow(value.length);
      for (let i = 0; i < value.length; i++) this.#bytes[at + i] = value.charCodeAt(i);
      return;
    }
    if (!value.isWellFormed()) bad('expected well-formed text');
    const bytes = utf8(value);
    this.head(3, bytes.length);
    this.raw(bytes);
  }

  /** A byte string. */
  bytes(value: Uint8Array): void {
    this.head(2, value.length);
    this.raw(value);
  }

  /** What is CBOR already. */
  raw(value: Uint8Array): void {
    const at = this.#grow(value.length);
    this.#bytes.set(value, at);
  }

  /** Bytes written since `reset`. */
  get length(): number {
    return this.#length;
  }

  /** What was written since `reset`, in place. */
  get written(): Uint8Array<ArrayBuffer> {
    return this.#bytes.subarray(0, this.#length);
  }
}

/** Writing is synchronous and calls nothing of its callers' callers, so one writer serves all. */
const writer = new CborWriter();

/** The bytes of what `write` writes; it must not encode anything by other means meanwhile. */
export function writeCbor(write: (writer: CborWriter) => void): Uint8Array<ArrayBuffer> {
  return useCbor(write, (bytes) => bytes.slice());
}

/**
 * What `use` makes of the bytes that `write` writes. They are the writer's own, without a copy: `use`
 * must neither keep them nor encode anything.
 */
export function useCbor<T>(
  write: (writer: CborWriter) => void,
  use: (bytes: Uint8Array<ArrayBuffer>) => T,
): T {
  writer.reset();
  write(writer);
  return use(writer.written);
}

/** Length of the shortest head for an argument, bytes. */
export function headLength(argument: number): number {
  if (argument < 24) return 1;
  if (argument < 0x100) return 2;
  return argument < 0x1_0000 ? 3 : argument < LIMIT_32 ? 5 : 9;
}

function bad(message: string): never {
  throw new AssayError('CBOR_VALUE', message);
}
