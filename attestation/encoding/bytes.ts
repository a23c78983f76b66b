import { AssayError } from './error.js';

const HEX = Array.from({ length: 256 }, (_, value) => value.toString(16).padStart(2, '0'));
const strictUtf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const utf8Encoder = new TextEncoder();

/** One character for each byte, so that no two byte strings have one text. ASCII, such as PEM, is itself. */
export const byteText = new TextDecoder('windows-1252');

/** Length from which a text is made faster of all its characters at once than of one after another. */
const LONG = 256;
const DIGIT_CODES = utf8Encoder.encode('0123456789abcdef');

/** Lower-case hexadecimal. */
export function toHex(bytes: Uint8Array): string {
  if (bytes.length >= LONG) return longHex(bytes);
  let text = '';
  for (const byte of bytes) text += HEX[byte];
  return text;
}

function longHex(bytes: Uint8Array): string {
  const codes = new Uint8Array(2 * bytes.length);
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i] ?? 0;
    codes[2 * i] = DIGIT_CODES[byte >> 4] ?? 0;
    codes[2 * i + 1] = DIGIT_CODES[byte & 0xf] ?? 0;
  }
  return strictUtf8.decode(codes);
}

/** Values of the hexadecimal digits by their byte; -1 for every other byte. */
const DIGITS = Int8Array.from({ length: 0x100 }, (_, code) =>
  '0123456789abcdef'.indexOf(String.fromCharCode(code).toLowerCase()),
);

/** Parses hexadecimal of either case; throws ENCODING_HEX on odd length or any other character. */
export function fromHex(text: string): Uint8Array<ArrayBuffer> {
  const codes = utf8(text);
  const bytes = new Uint8Array(codes.length >> 1);
  let digits = 0;
  for (let i = 0; i < bytes.length; i++) {
    const high = DIGITS[codes[2 * i] ?? 0] ?? 0;
    const low = DIGITS[codes[2 * i + 1] ?? 0] ?? 0;
    bytes[i] = (high << 4) | low;
    digits |= high | low;
  }
  if (digits >= 0 && codes.length % 2 === 0) return bytes;
  throw new AssayError(
    'ENCODING_HEX',
    'expected an even number of hexadecimal digits and nothing else',
  );
}

/** base64 (RFC 4648 section 4), with padding. */
export function toBase64(bytes: Uint8Array): string {
  let binary = '';
  for (let i = 0; i < bytes.length; i += 0x8000) {
    binary += Reflect.apply(String.fromCharCode, undefined, bytes.subarray(i, i + 0x8000));
  }
  return btoa(binary);
}

const BASE64 = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
/** Values of the characters of base64 by their byte; -1 for every other byte. */
const SEXTETS = Int8Array.from({ length: 0x100 }, (_, code) =>
  BASE64.indexOf(String.fromCharCode(code)),
);
const PAD = 0x3d;
const ZERO_SEXTET = 0x41;

/** Strict base64: padding required, no white space, no stray bits; throws ENCODING_BASE64. */
export function fromBase64(text: string): Uint8Array<ArrayBuffer> {
  const codes = utf8(text);
  const padding = codes.at(-1) !== PAD ? 0 : codes.at(-2) !== PAD ? 1 : 2;
  codes.fill(ZERO_SEXTET, codes.length - padding);
  const bytes = new Uint8Array(3 * Math.ceil(codes.length / 4) - padding);
  const sextet = (i: number): number => SEXTETS[codes[i] ?? 0] ?? 0;
  let three = 0;
  let all = 0;
  for (let from = 0, to = 0; from < codes.length; from += 4, to += 3) {
    three =
      (sextet(from) << 18) | (sextet(from + 1) << 12) | (sextet(from + 2) << 6) | sextet(from + 3);
    all |= three;
    bytes[to] = three >> 16;
    if (to + 1 < bytes.length) bytes[to + 1] = three >> 8;
    if (to + 2 < bytes.length) bytes[to + 2] = three;
  }
  const stray = three & ((1 << (8 * padding)) - 1);
  if (codes.length % 4 === 0 && all >= 0 && stray === 0) return bytes;
  throw new AssayError(
    'ENCODING_BASE64',
    'expected base64 (RFC 4648 section 4) with padding, without white space and stray bits',
  );
}

/** base64url without padding (RFC 4648 section 5). */
export function toBase64Url(bytes: Uint8Array): string {
  return toBase64(bytes).replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}

/** Strict base64url without padding; throws ENCODING_BASE64. */
export function fromBase64Url(text: string): Uint8Array<ArrayBuffer> {
  if (!/^[A-Za-z0-9_-]*$/.test(text)) {
    throw new AssayError('ENCODING_BASE64', 'expected base64url without padding');
  }
  const standard = text.replaceAll('-', '+').replaceAll('_', '/');
  return fromBase64(standard.padEnd(Math.ceil(standard.length / 4) * 4, '='));
}

/** UTF-8 of a string. */
export function utf8(text: string): Uint8Array<ArrayBuffer> {
  return utf8Encoder.encode(text);
}

/** Decodes UTF-8, keeping a byte-order mark; throws ENCODING_UTF8 on any malformed sequence. */
export function fromUtf8(bytes: Uint8Array): string {
  try {
    return strictUtf8.decode(bytes);
  } catch (cause) {
    throw new AssayError('ENCODING_UTF8', 'expected well-formed UTF-8', cause);
  }
}

/** One array with the bytes of all parts, in order. */
export function concat(...parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(parts.reduce((length, part) => length + part.length, 0));
  let offset = 0;
  for (const part of parts) {
    whole.set(part, offset);
    offset += part.length;
  }
  return whole;
}

/** Equality of contents. Not constant-time: only for values that are not secret. */
export function equalBytes(a: Uint8Array, b: Uint8Array): boolean {
  return a.length === b.length && compareBytes(a, b) === 0;
}

/** Bytewise lexicographic order; a proper prefix sorts first. */
export function compareBytes(a: Uint8Array, b: Uint8Array): number {
  const shared = Math.min(a.length, b.length);
  for (let i = 0; i < shared; i++) {
    const difference = (a[i] ?? 0) - (b[i] ?? 0);
    if (difference !== 0) return difference;
  }
  return a.length - b.length;
}

/** True when every byte is zero. */
export function isZero(bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) if (bytes[i] !== 0) return false;
  return true;
}
