import { type CborKey, type CborValue, decodeCbor, isCborMap } from './cbor.js';
import { AssayError, type ErrorCode } from './error.js';

/** Characters of an unknown member's name that are told; it is as long as its writer likes. */
const MAX_NAME = 64;

/** Seconds since 1970 to the last moment that a `Date` holds (ECMA-262, Time Values and Time Range). */
const MAX_TIME = 8.64e12;

/** Strict access to the members of a CBOR map: each is taken once, by type, and none may be left. */
export class CborFields {
  readonly #left: Map<CborKey, CborValue>;
  readonly #what: string;
  readonly #code: ErrorCode;

  constructor(value: CborValue | undefined, what: string, code: ErrorCode) {
    if (!isCborMap(value)) throw new AssayError(code, `expected ${what} to be a CBOR map`);
    this.#left = new Map(value);
    this.#what = what;
    this.#code = code;
  }

  /**
   * Decodes the bytes of a map; every failure has the given code, the decoder's as its cause.
   * @param maxBytes what the format needs at most; 64 MiB unless given.
   */
  static decode(bytes: Uint8Array, what: string, code: ErrorCode, maxBytes?: number): CborFields {
    let value: CborValue;
    try {
      value = decodeCbor(bytes, maxBytes);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : 'not CBOR';
      throw new AssayError(code, `${what} does not decode: ${reason}`, cause);
    }
    return new CborFields(value, what, code);
  }

  #wrong(key: CborKey, expected: string): never {
    throw new AssayError(this.#code, `${this.#what}: expected member ${key} to be ${expected}`);
  }

  has(key: CborKey): boolean {
    return this.#left.has(key);
  }

  take(key: CborKey): CborValue {
    const value = this.#left.get(key);
    if (value === undefined) this.#wrong(key, 'present');
    this.#left.delete(key);
    return value;
  }

  text(key: CborKey): string {
    const value = this.take(key);
    return typeof value === 'string' ? value : this.#wrong(key, 'text');
  }

  /** Takes the member `profile`, which names the format; throws `code` for another, of which a part is told. */
  expectProfile(expected: string, code: ErrorCode): void {
    const profile = this.text('profile');
    if (profile === expected) return;
    const came = JSON.stringify(profile.slice(0, MAX_NAME).replace(/[^ -~]/g, '?'));
    throw new AssayError(code, `expected the profile ${expected}, not ${came}`);
  }

  /** Bytes, of exactly `length` if one is given. */
  bytes(key: CborKey, length?: number): Uint8Array {
    const value = this.take(key);
    if (!(value instanceof Uint8Array)) return this.#wrong(key, 'bytes');
    if (length !== undefined && value.length !== length) this.#wrong(key, `${length} bytes`);
    return value;
  }

  /** A non-negative integer that a number holds exactly. */
  unsigned(key: CborKey): number {
    const value = this.take(key);
    return typeof value === 'number' && value >= 0
      ? value
      : this.#wrong(key, 'an unsigned integer');
  }

  /** Seconds since 1970, as far as a `Date` reaches. */
  time(key: CborKey): number {
    const value = this.unsigned(key);
    return value <= MAX_TIME ? value : this.#wrong(key, `seconds of at most ${MAX_TIME}`);
  }

  boolean(key: CborKey): boolean {
    const value = this.take(key);
    return typeof value === 'boolean' ? value : this.#wrong(key, 'a boolean');
  }

  array(key: CborKey): readonly CborValue[] {
    const value = this.take(key);
    return Array.isArray(value) ? value : this.#wrong(key, 'an array');
  }

  map(key: CborKey): CborFields {
    return new CborFields(this.take(key), `${this.#what}.${key}`, this.#code);
  }

  /** Requires that every member was taken. */
  end(): void {
    const [unknown] = this.#left.keys();
    if (unknown !== undefined) {
      const name = String(unknown).slice(0, MAX_NAME);
      throw new AssayError(this.#code, `${this.#what} has an unknown member ${name}`);
    }
  }
}
