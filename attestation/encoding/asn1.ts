import forge from 'node-forge';
import { AssayError } from './error.js';

/** A node of a DER tree: node-forge's, with contents as a binary string or as children. */
export type Asn1Node = forge.asn1.Asn1;

const MAX_BYTES = 16 * 1024 * 1024;
/** Inputs of one call to String.fromCharCode; larger ones overflow its argument list. */
const CHUNK = 0x2000;

/** node-forge takes options here; its published types know only the boolean form. */
const strictFromDer = forge.asn1.fromDer as unknown as (
  bytes: forge.util.ByteStringBuffer,
  options: { strict: boolean; parseAllBytes: boolean; decodeBitStrings: boolean },
) => Asn1Node;

function fail(message: string, cause?: unknown): never {
  throw new AssayError('ASN1_DER', message, cause);
}

function toBinary(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += CHUNK) {
    text += Reflect.apply(String.fromCharCode, undefined, bytes.subarray(i, i + CHUNK));
  }
  return text;
}

function fromBinary(text: string): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) bytes[i] = text.charCodeAt(i);
  return bytes;
}

/** Where the contents of the value at `at` begin and end; throws where the length is not DER's. */
function contents(bytes: Uint8Array, at: number): { readonly start: number; readonly end: number } {
  const first = bytes[at + 1] ?? fail('a value ends within its header');
  let start = at + 2;
  let length = first;
  if (first >= 0x80) {
    const width = first & 0x7f;
    start += width;
    length = 0;
    for (let i = at + 2; i < start; i++) length = length * 256 + (bytes[i] ?? 0);
    const minimal = length >= 0x80 && (bytes[at + 2] ?? 0) !== 0;
    if (width < 1 || width > 4 || !minimal) fail('expected lengths to be definite and minimal');
  }
  return { start, end: start + length };
}

const INTEGER_TAG = 0x02;
const UTC_TIME_TAG = 0x17;
const GENERALIZED_TIME_TAG = 0x18;
const SEQUENCE_TAG = 0x30;
const CONSTRUCTED = 0x20;
const ZULU = 0x5a;

/**
 * Requires the canonical form: tags of one byte, lengths definite and minimal, integers minimal, and
 * members that fill what they are in (X.690 sections 8.1.2, 10.1 and 8.3.2).
 */
function requireCanonical(bytes: Uint8Array): void {
  const ends = [bytes.length];
  let at = 0;
  while (ends.length > 0) {
    const limit = ends.at(-1) ?? 0;
    if (at === limit) {
      ends.pop();
      continue;
    }
    const tag = bytes[at] ?? 0;
    const { start, end } = contents(bytes, at);
    if ((tag & 0x1f) === 0x1f) fail('expected tags of one byte');
    if (end > limit) fail('a value is longer than what it is in');
    if (tag === INTEGER_TAG) requireMinimal(bytes.subarray(start, end), 'an integer');
    if ((tag & CONSTRUCTED) !== 0) ends.push(end);
    at = (tag & CONSTRUCTED) === 0 ? end : start;
  }
}

/** The members of a constructed value that was checked, each with its header. */
export function elements(der: Uint8Array): Uint8Array[] {
  const { start, end } = contents(der, 0);
  const found: Uint8Array[] = [];
  for (let at = start; at < end; ) {
    const next = contents(der, at).end;
    found.push(der.subarray(at, next));
    at = next;
  }
  return found;
}

/** The members of a SEQUENCE that was checked. */
export function sequence(der: Uint8Array | undefined, what: string): Uint8Array[] {
  return der?.[0] === SEQUENCE_TAG ? elements(der) : fail(`expected ${what} to be a SEQUENCE`);
}

/** Contents octets of a value that was checked. */
function octetsOf(der: Uint8Array): Uint8Array {
  const { start, end } = contents(der, 0);
  return der.subarray(start, end);
}

/** Contents octets of an INTEGER that was checked. */
export function derInteger(der: Uint8Array | undefined, what: string): Uint8Array {
  return der?.[0] === INTEGER_TAG ? octetsOf(der) : fail(`expected ${what} to be an INTEGER`);
}

/** Throws unless this is one DER value that fills the input; for `elements` and what follows it. */
export function checkDer(bytes: Uint8Array): void {
  if (bytes.length > MAX_BYTES) fail(`expected at most ${MAX_BYTES} bytes, not ${bytes.length}`);
  if (contents(bytes, 0).end !== bytes.length) fail('expected one value that fills the input');
  requireCanonical(bytes);
}

/** Parses one DER value that fills the input: what would re-encode to other bytes is refused. */
export function parseDer(bytes: Uint8Array): Asn1Node {
  checkDer(bytes);
  let node: Asn1Node;
  try {
    node = strictFromDer(forge.util.createBuffer(toBinary(bytes)), {
      strict: true,
      parseAllBytes: true,
      decodeBitStrings: false,
    });
  } catch (cause) {
    return fail('expected one well-formed DER value', cause);
  }
  return node;
}

/** DER of a node. */
export function encodeDer(node: Asn1Node): Uint8Array<ArrayBuffer> {
  return fromBinary(forge.asn1.toDer(node).getBytes());
}

const { Class, Type } = forge.asn1;

/** Children of a constructed node with this universal tag (SEQUENCE unless given). */
export function children(
  node: Asn1Node | undefined,
  what: string,
  type: forge.asn1.Type = Type.SEQUENCE,
): Asn1Node[] {
  if (node === undefined) return fail(`${what} is missing`);
  if (node.tagClass !== Class.UNIVERSAL || node.type !== type || !Array.isArray(node.value)) {
    return fail(`expected ${what} to be a constructed value of type ${type}`);
  }
  return node.value;
}

/** Children of a context-specific constructed node `[tag]`. */
export function explicit(node: Asn1Node, tag: number, what: string): Asn1Node[] {
  if (!isContext(node, tag) || !Array.isArray(node.value))
    return fail(`expected ${what} in [${tag}]`);
  return node.value;
}

export function isContext(node: Asn1Node | undefined, tag: number): node is Asn1Node {
  return (
    node !== undefined && node.tagClass === Class.CONTEXT_SPECIFIC && Number(node.type) === tag
  );
}

export function isUniversal(node: Asn1Node | undefined, type: forge.asn1.Type): node is Asn1Node {
  return node !== undefined && node.tagClass === Class.UNIVERSAL && node.type === type;
}

/** Contents of a primitive node with this universal tag. */
export function primitive(
  node: Asn1Node | undefined,
  type: forge.asn1.Type,
  what: string,
): Uint8Array<ArrayBuffer> {
  if (!isUniversal(node, type) || typeof node.value !== 'string') {
    return fail(`expected ${what} to be a primitive value of type ${type}`);
  }
  return fromBinary(node.value);
}

/** Dotted form of an OBJECT IDENTIFIER. */
export function oid(node: Asn1Node | undefined, what: string): string {
  if (!isUniversal(node, Type.OID) || typeof node.value !== 'string' || node.value.length === 0) {
    return fail(`expected ${what} to be an object identifier`);
  }
  return forge.asn1.derToOid(node.value);
}

/** A non-negative INTEGER that a number holds exactly; minimal contents octets, X.690 section 8.3.2. */
export function unsigned(node: Asn1Node | undefined, what: string): number {
  const bytes = integerBytes(node, what);
  if (bytes.length > 6 || (bytes[0] ?? 0) > 0x7f)
    return fail(`expected ${what} to be small and unsigned`);
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

function requireMinimal(bytes: Uint8Array, what: string): void {
  const [first = 0, second = 0] = bytes;
  const padded =
    bytes.length > 1 && ((first === 0 && second < 0x80) || (first === 0xff && second >= 0x80));
  if (bytes.length === 0 || padded) fail(`expected ${what} to be a minimal integer`);
}

/** Contents octets of an INTEGER, checked to be minimal. */
export function integerBytes(node: Asn1Node | undefined, what: string): Uint8Array<ArrayBuffer> {
  const bytes = primitive(node, Type.INTEGER, what);
  requireMinimal(bytes, what);
  return bytes;
}

/** Contents of a BIT STRING that is a whole number of bytes. */
export function bitString(node: Asn1Node | undefined, what: string): Uint8Array<ArrayBuffer> {
  const bytes = primitive(node, Type.BITSTRING, what);
  if (bytes[0] !== 0) return fail(`expected ${what} to be a whole number of bytes`);
  return bytes.slice(1);
}

/** BOOLEAN, DER values only. */
export function boolean(node: Asn1Node | undefined, what: string): boolean {
  const [value] = primitive(node, Type.BOOLEAN, what);
  if (value !== 0 && value !== 0xff) return fail(`expected ${what} to be 0x00 or 0xff`);
  return value === 0xff;
}

/** The number of the two decimal digits at `at`; NaN where they are none. */
function twoDigits(text: Uint8Array, at: number): number {
  const [tens, units] = [(text[at] ?? 0) - 0x30, (text[at + 1] ?? 0) - 0x30];
  return tens >= 0 && tens <= 9 && units >= 0 && units <= 9 ? 10 * tens + units : Number.NaN;
}

/** UTCTime or GeneralizedTime in the forms that RFC 5280 section 4.1.2.5 allows. */
function readTime(utc: boolean, text: Uint8Array, what: string): Date {
  const from = utc ? 2 : 4;
  if (text.length !== from + 11 || text[from + 10] !== ZULU) {
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
  const holds =
    date.getUTCFullYear() === year &&
    date.getUTCMonth() + 1 === month &&
    date.getUTCDate() === day &&
    date.getUTCHours() === hour &&
    date.getUTCMinutes() === minute &&
    date.getUTCSeconds() === second;
  return holds ? date : fail(`expected ${what} to be a date of the calendar`);
}

/** The time that a node holds. */
export function time(node: Asn1Node | undefined, what: string): Date {
  const utc = isUniversal(node, Type.UTCTIME);
  return readTime(utc, primitive(node, utc ? Type.UTCTIME : Type.GENERALIZEDTIME, what), what);
}

/** The time that a value of a checked DER text holds. */
export function derTime(der: Uint8Array, what: string): Date {
  const [tag] = der;
  if (tag !== UTC_TIME_TAG && tag !== GENERALIZED_TIME_TAG)
    return fail(`expected ${what} to be a time`);
  return readTime(tag === UTC_TIME_TAG, octetsOf(der), what);
}
