import { AssayError } from './error.js';

/*
 * DER (X.690) without a tree of copies: values are places in a text that was checked as a whole. For
 * certificates and revocation lists, whose entries are thousands; vendors' extensions are read with
 * `asn1.ts`.
 */

/** Bytes of a value: the longest is a revocation list, and genuine ones have a few thousand. */
const MAX_BYTES = 1024 * 1024;

/** Identifier octets (X.690 section 8.1.2) of the values that certificates and lists are made of. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

const CLASS = 0xc0;
const CONSTRUCTED = 0x20;
const BMP_STRING = 0x1e;
const LOW_TAG_NUMBER = 0x1f;
const ZULU = 0x5a;

/** Identifier octet of the constructed context-specific tag `[number]`. */
export function contextTag(number: number): number {
  return 0xa0 | number;
}

function fail(message: string): never {
  throw new AssayError('ASN1_DER', message);
}

/** A value of a checked text: where it lies in it. */
export class DerValue {
  readonly #text: Uint8Array;
  readonly #from: number;
  readonly #start: number;
  readonly #end: number;

  /** Reads the header at `from`; throws ASN1_DER where the length is not DER's. */
  constructor(text: Uint8Array, from: number) {
    const first = text[from + 1] ?? fail('a value ends within its header');
    let start = from + 2;
    let length = first;
    if (first >= 0x80) {
      const width = first & 0x7f;
      start += width;
      length = 0;
      for (let i = from + 2; i < start; i++) length = length * 256 + (text[i] ?? 0);
      const minimal = length >= 0x80 && (text[from + 2] ?? 0) !== 0;
      if (!minimal) fail('expected lengths to be definite and minimal');
    }
    this.#text = text;
    this.#from = from;
    this.#start = start;
    this.#end = start + length;
  }

  /** Identifier octet. */
  get tag(): number {
    return this.#text[this.#from] ?? 0;
  }

  /** Offset of its contents in the text. */
  get start(): number {
    return this.#start;
  }

  /** Offset of what follows it in the text. */
  get end(): number {
    return this.#end;
  }

  /** The value with its header. */
  get der(): Uint8Array {
    return this.#text.subarray(this.#from, this.#end);
  }

  /** How many contents octets it has. */
  get length(): number {
    return this.#end - this.#start;
  }

  /** The contents octet at this place, or 0 beyond them. */
  octet(at: number): number {
    return at < this.length ? (this.#text[this.#start + at] ?? 0) : 0;
  }

  /** Contents octets. */
  get octets(): Uint8Array {
    return this.#text.subarray(this.#start, this.#end);
  }

  /** Values in a constructed one. */
  get members(): DerValue[] {
    const found: DerValue[] = [];
    for (let at = this.#start; at < this.#end; ) {
      const member = new DerValue(this.#text, at);
      found.push(member);
      at = member.end;
    }
    return found;
  }
}

/**
 * Requires the canonical form: tags of one byte, lengths definite and minimal, integers minimal,
 * BMPStrings of whole characters, and members that fill what they are in (X.690 sections 8.1.2, 10.1,
 * 8.3.2 and 8.23.8).
 */
function requireCanonical(text: Uint8Array): void {
  const ends = [text.length];
  let at = 0;
  while (ends.length > 0) {
    const limit = ends.at(-1) ?? 0;
    if (at === limit) {
      ends.pop();
      continue;
    }
    const { tag, start, end } = new DerValue(text, at);
    if ((tag & LOW_TAG_NUMBER) === LOW_TAG_NUMBER) fail('expected tags of one byte');
    if (end > limit) fail('a value is longer than what it is in');
    // Of any class: node-forge goes by the number alone, and would read half a character on.
    const type = tag & ~CLASS;
    if (type === TAG.integer) requireMinimal(text, start, end, 'an integer');
    if (type === BMP_STRING && (end - start) % 2 !== 0) fail('expected characters of two bytes');
    if ((tag & CONSTRUCTED) !== 0) ends.push(end);
    at = (tag & CONSTRUCTED) === 0 ? end : start;
  }
}

function requireMinimal(text: Uint8Array, start: number, end: number, what: string): void {
  const [first = 0, second = 0] = [text[start], text[start + 1]];
  const padded =
    end - start > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
  if (end === start || padded) fail(`expected ${what} to be a minimal integer`);
}

/** Reads one DER value that fills the input: what would re-encode to other bytes is refused. */
export function readDer(text: Uint8Array): DerValue {
  if (text.length > MAX_BYTES) fail(`expected at most ${MAX_BYTES} bytes, not ${text.length}`);
  const value = new DerValue(text, 0);
  if (value.end !== text.length) fail('expected one value that fills the input');
  requireCanonical(text);
  return value;
}

/** The value, which must have this tag. */
export function expectTag(value: DerValue | undefined, tag: number, what: string): DerValue {
  if (value === undefined) return fail(`${what} is missing`);
  return value.tag === tag ? value : fail(`expected ${what} to have tag ${tag}, not ${value.tag}`);
}

/** Members of a constructed value with this tag. */
export function members(
  value: DerValue | undefined,
  what: string,
  tag: number = TAG.sequence,
): DerValue[] {
  return expectTag(value, tag, what).members;
}

/** The one member of a constructed value, which an explicit tag makes. */
export function only(value: DerValue | undefined, tag: number, what: string): DerValue {
  const [member, ...more] = members(value, what, tag);
  return member !== undefined && more.length === 0
    ? member
    : fail(`expected ${what} to be one value`);
}

/** Contents octets of a primitive value with this tag. */
export function octets(value: DerValue | undefined, tag: number, what: string): Uint8Array {
  return expectTag(value, tag, what).octets;
}

/** A non-negative INTEGER that a number holds exactly. */
export function unsigned(value: DerValue | undefined, what: string): number {
  const bytes = octets(value, TAG.integer, what);
  if (bytes.length > 6 || (bytes[0] ?? 0) > 0x7f) {
    return fail(`expected ${what} to be small and unsigned`);
  }
  return bytes.reduce((number, byte) => number * 256 + byte, 0);
}

/** BOOLEAN, DER values only. */
export function boolean(value: DerValue | undefined, what: string): boolean {
  const bytes = octets(value, TAG.boolean, what);
  const [byte] = bytes;
  if (bytes.length !== 1 || (byte !== 0 && byte !== 0xff)) {
    return fail(`expected ${what} to be 0x00 or 0xff`);
  }
  return byte === 0xff;
}

/** Contents of a BIT STRING that is a whole number of bytes. */
export function wholeBytes(value: DerValue | undefined, what: string): Uint8Array<ArrayBuffer> {
  const bytes = octets(value, TAG.bitString, what);
  if (bytes[0] !== 0) return fail(`expected ${what} to be a whole number of bytes`);
  return new Uint8Array(bytes.subarray(1));
}

/** r‖s of a curve of 256 bits from an ECDSA-Sig-Value (RFC 3279 section 2.2.3); throws ASN1_DER. */
export function fromEcdsaSigValue(text: Uint8Array): Uint8Array<ArrayBuffer> {
  const [r, s, ...more] = members(readDer(text), 'the ECDSA signature');
  if (more.length > 0) fail('expected an ECDSA signature of two integers');
  const raw = new Uint8Array(64);
  [r, s].forEach((number, i) => {
    const contents = octets(number, TAG.integer, 'an ECDSA integer');
    const digits = contents[0] === 0 ? contents.subarray(1) : contents;
    if ((contents[0] ?? 0) > 0x7f || digits.length > 32) fail('an ECDSA integer is out of range');
    raw.set(digits, 32 * (i + 1) - digits.length);
  });
  return raw;
}

/** The ECDSA-Sig-Value of r‖s, 64 bytes. */
export function toEcdsaSigValue(raw: Uint8Array): Uint8Array<ArrayBuffer> {
  const text = new Uint8Array(72);
  let end = 2;
  for (const number of [raw.subarray(0, 32), raw.subarray(32)]) {
    let first = 0;
    while (first < 31 && number[first] === 0) first++;
    const sign = (number[first] ?? 0) > 0x7f ? 1 : 0;
    const length = sign + 32 - first;
    text[end] = TAG.integer;
    text[end + 1] = length;
    text.set(number.subarray(first), end + 2 + sign);
    end += 2 + length;
  }
  text.set([TAG.sequence, end - 2]);
  return text.subarray(0, end);
}

/** Dotted form of an OBJECT IDENTIFIER whose arcs are minimal (X.690 section 8.19). */
export function objectIdentifier(value: DerValue | undefined, what: string): string {
  const bytes = octets(value, TAG.objectIdentifier, what);
  let text = '';
  let arc = 0;
  for (const byte of bytes) {
    if (arc === 0 && byte === 0x80) fail(`expected the arcs of ${what} to be minimal`);
    arc = arc * 128 + (byte & 0x7f);
    if (arc > Number.MAX_SAFE_INTEGER) fail(`expected the arcs of ${what} to be small`);
    if (byte >= 0x80) continue;
    const first = Math.min(Math.trunc(arc / 40), 2);
    text += text === '' ? `${first}.${arc - 40 * first}` : `.${arc}`;
    arc = 0;
  }
  if (text === '' || (bytes.at(-1) ?? 0) >= 0x80) {
    return fail(`expected ${what} to be an object identifier`);
  }
  return text;
}

/** The number of the two decimal digits at `at`; NaN where they are none. */
function twoDigits(text: DerValue, at: number): number {
  const tens = text.octet(at) - 0x30;
  const units = text.octet(at + 1) - 0x30;
  return tens >= 0 && tens <= 9 && units >= 0 && units <= 9 ? 10 * tens + units : Number.NaN;
}

/** UTCTime or GeneralizedTime in the forms that RFC 5280 section 4.1.2.5 allows. */
export function time(value: DerValue | undefined, what: string): Date {
  const utc = value?.tag === TAG.utcTime;
  const text = expectTag(value, utc ? TAG.utcTime : TAG.generalizedTime, what);
  const from = utc ? 2 : 4;
  if (text.length !== from + 11 || text.octet(from + 10) !== ZULU) {
    return fail(`expected ${what} to end in seconds and Z`);
  }
  const short = twoDigits(text, 0);
  const year = utc ? short + (short < 50 ? 2000 : 1900) : 100 * short + twoDigits(text, 2);
  const month = twoDigits(text, from);
  const day = twoDigits(text, from + 2);
  const hour = twoDigits(text, from + 4);
  const minute = twoDigits(text, from + 6);
  const second = twoDigits(text, from + 8);
  const date = new Date(Date.UTC(year, month - 1, day, hour, minute, second));
  // Date.UTC carries over: a day that the month lacks becomes another one, and year 50 becomes 1950.
  const inRange = month >= 1 && month <= 12 && hour <= 23 && minute <= 59 && second <= 59;
  return inRange && date.getUTCDate() === day && date.getUTCFullYear() === year
    ? date
    : fail(`expected ${what} to be a date of the calendar`);
}
