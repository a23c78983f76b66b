import { fromUtf8 } from './bytes.js';
import { AssayError, type ErrorCode } from './error.js';

const MAX_BYTES = 4 * 1024 * 1024;
const MAX_OBJECTS = 256;
/** Strings and punctuation of a text that is known to be JSON; numbers and words do not matter. */
const TOKEN = /"(?:[^"\\]|\\.)*"|[{}[\],:]/g;

const QUOTE = 0x22;
const SPACE = 0x20;

/**
 * At least as many as the objects of this text, known to be JSON, have members: colons behind a
 * quotation mark or white space, which may stand in strings too.
 */
function colons(text: string): number {
  let count = 0;
  for (let at = text.indexOf(':'); at >= 0; at = text.indexOf(':', at + 1)) {
    const before = text.charCodeAt(at - 1);
    if (before === QUOTE || before <= SPACE) count += 1;
  }
  return count;
}

/** Members that the objects in a parsed value have. */
function countMembers(value: object): number {
  const inner: readonly unknown[] = Object.values(value);
  let count = Array.isArray(value) ? 0 : inner.length;
  for (const member of inner) {
    if (typeof member === 'object' && member !== null) count += countMembers(member);
  }
  return count;
}

/** First member name that an object of this text, known to be JSON, has twice. */
function repeatedMember(text: string): string | undefined {
  const open: (Set<string> | undefined)[] = [];
  let candidate: string | undefined;
  for (const [token] of text.matchAll(TOKEN)) {
    if (token === '{') open.push(new Set());
    else if (token === '[') open.push(undefined);
    else if (token === '}' || token === ']') open.pop();
    else if (token === ':') {
      const names = open.at(-1);
      if (candidate === undefined || names === undefined) continue;
      const name = String(JSON.parse(candidate));
      if (names.has(name)) return name;
      names.add(name);
    } else if (token !== ',') candidate = token;
  }
  return undefined;
}

/**
 * Parses JSON (RFC 8259) of at most `limit` bytes; 4 MiB by default. Trailing data, a byte-order mark,
 * malformed UTF-8 and a member that an object has twice are refused: two readers must not see two
 * documents.
 * @throws AssayError with `code`.
 */
export function parseStrictJson(
  input: string | Uint8Array,
  what: string,
  code: ErrorCode,
  limit = MAX_BYTES,
): unknown {
  if (input.length > limit) {
    throw new AssayError(code, `expected ${what} of at most ${limit} bytes, not ${input.length}`);
  }
  let text: string;
  let value: unknown;
  let told: boolean;
  try {
    text = typeof input === 'string' ? input : fromUtf8(input);
    value = JSON.parse(text);
    // Of a member that is repeated the value has one.
    told = countMembers([value]) === colons(text);
  } catch (cause) {
    throw new AssayError(code, `expected ${what} to be one well-formed JSON text`, cause);
  }
  const repeated = told ? undefined : repeatedMember(text);
  if (repeated !== undefined) {
    throw new AssayError(code, `expected ${what} to name a member once: one is repeated`);
  }
  return value;
}

/** RFC 3339, to the second; captures the day. */
const UTC_TIME = /^\d{4}-\d{2}-(\d{2})T\d{2}:\d{2}:\d{2}Z$/;

/** Typed access to the members of a JSON object. Members that nobody asks for are left alone. */
export class JsonFields {
  readonly #members: Readonly<Record<string, unknown>>;
  readonly #what: string;
  readonly #code: ErrorCode;

  constructor(value: unknown, what: string, code: ErrorCode) {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new AssayError(code, `expected ${what} to be a JSON object`);
    }
    this.#members = value as Readonly<Record<string, unknown>>;
    this.#what = what;
    this.#code = code;
  }

  #wrong(name: string, expected: string): never {
    throw new AssayError(this.#code, `${this.#what}: expected member ${name} to be ${expected}`);
  }

  #get(name: string): unknown {
    return Object.hasOwn(this.#members, name) ? this.#members[name] : undefined;
  }

  names(): readonly string[] {
    return Object.keys(this.#members);
  }

  has(name: string): boolean {
    return Object.hasOwn(this.#members, name);
  }

  text(name: string): string {
    const value = this.#get(name);
    return typeof value === 'string' ? value : this.#wrong(name, 'text');
  }

  /** An integer from 0 to `limit`. */
  unsigned(name: string, limit = Number.MAX_SAFE_INTEGER): number {
    const value = this.#get(name);
    return Number.isSafeInteger(value) && Number(value) >= 0 && Number(value) <= limit
      ? Number(value)
      : this.#wrong(name, `an integer from 0 to ${limit}`);
  }

  /** Hexadecimal of exactly `length` bytes, as lower-case text. */
  hex(name: string, length: number): string {
    const value = this.#get(name);
    return typeof value === 'string' && value.length === 2 * length && /^[0-9a-fA-F]+$/.test(value)
      ? value.toLowerCase()
      : this.#wrong(name, `${length} bytes in hexadecimal`);
  }

  /** A UTC time of RFC 3339, to the second. */
  time(name: string): Date {
    const value = this.#get(name);
    if (typeof value !== 'string') return this.#wrong(name, 'a time');
    const date = new Date(value);
    // A day that the month lacks, and 24 o'clock, would be the next day.
    return date.getUTCDate() === Number(UTC_TIME.exec(value)?.[1])
      ? date
      : this.#wrong(name, 'a UTC time to the second (RFC 3339)');
  }

  /** Texts, or none where the member is absent. */
  texts(name: string): readonly string[] {
    const value = this.has(name) ? this.#get(name) : [];
    return Array.isArray(value) && value.every((item) => typeof item === 'string')
      ? value
      : this.#wrong(name, 'a list of texts');
  }

  /** Values of any kind. */
  list(name: string): readonly unknown[] {
    const value = this.#get(name);
    return Array.isArray(value) ? value : this.#wrong(name, 'a list');
  }

  /** Objects, from 1 to 256. */
  objects(name: string): readonly JsonFields[] {
    const items = this.list(name);
    if (items.length === 0 || items.length > MAX_OBJECTS) {
      return this.#wrong(name, `a list of 1 to ${MAX_OBJECTS} objects`);
    }
    return items.map((item) => new JsonFields(item, `${this.#what}.${name}`, this.#code));
  }

  object(name: string): JsonFields {
    return new JsonFields(this.#get(name), `${this.#what}.${name}`, this.#code);
  }
}
