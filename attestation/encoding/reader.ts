import { isZero } from './bytes.js';
import { AssayError, type ErrorCode } from './error.js';

/**
 * A cursor over untrusted bytes. Every read is bounded by the input; nothing is copied: `bytes()`
 * returns views. Errors carry the code given at construction and name the field and its offset.
 */
export class ByteReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  readonly #code: ErrorCode;
  #offset = 0;

  /** @param code the error code for every short read, non-zero reserved field or trailing byte. */
  constructor(bytes: Uint8Array, code: ErrorCode) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#code = code;
  }

  get offset(): number {
    return this.#offset;
  }

  get remaining(): number {
    return this.#bytes.length - this.#offset;
  }

  #advance(length: number, field: string): number {
    if (!Number.isSafeInteger(length) || length < 0 || length > this.remaining) {
      throw new AssayError(
        this.#code,
        `${field} needs ${length} bytes at offset ${this.#offset}, but ${this.remaining} remain`,
      );
    }
    const start = this.#offset;
    this.#offset += length;
    return start;
  }

  u8(field: string): number {
    return this.#view.getUint8(this.#advance(1, field));
  }

  u16le(field: string): number {
    return this.#view.getUint16(this.#advance(2, field), true);
  }

  u16be(field: string): number {
    return this.#view.getUint16(this.#advance(2, field));
  }

  u32be(field: string): number {
    return this.#view.getUint32(this.#advance(4, field));
  }

  u32le(field: string): number {
    return this.#view.getUint32(this.#advance(4, field), true);
  }

  u64le(field: string): bigint {
    return this.#view.getBigUint64(this.#advance(8, field), true);
  }

  /** A view of the next `length` bytes. */
  bytes(length: number, field: string): Uint8Array {
    const start = this.#advance(length, field);
    return this.#bytes.subarray(start, start + length);
  }

  /** Skips `length` bytes that the specification says must be zero. */
  zeros(length: number, field: string): void {
    const start = this.#offset;
    if (!isZero(this.bytes(length, field))) {
      throw new AssayError(this.#code, `${field} at offset ${start} must be zero and is not`);
    }
  }

  /** Requires that all input was read. */
  end(what: string): void {
    if (this.remaining !== 0) {
      throw new AssayError(
        this.#code,
        `${this.remaining} bytes follow the end of ${what} at offset ${this.#offset}`,
      );
    }
  }
}
