import { isUtf8 } from 'node:buffer';
import { EngineError } from './error.js';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * Where the elements of a BYTES tensor start and end: each is an unsigned 32-bit little-endian length and
 * that many bytes. Throws EngineError `invalid-request` unless the data holds exactly `count` of them.
 */
function eachElement(
  data: Uint8Array,
  count: number,
  visit: (start: number, end: number, index: number) => void,
): void {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  let offset = 0;
  let found = 0;
  for (; offset < data.length; found++) {
    const start = offset + 4;
    const end = start > data.length ? start : start + view.getUint32(offset, true);
    if (end > data.length) {
      throw new EngineError(
        'invalid-request',
        `element ${found} of the BYTES data runs past its end (${data.length} bytes)`,
      );
    }
    visit(start, end, found);
    offset = end;
  }
  if (found === count) return;
  throw new EngineError(
    'invalid-request',
    `expected ${count} elements for BYTES of this shape, not ${found}`,
  );
}

/** The elements of a BYTES tensor; throws as `eachElement`. */
export function unframe(data: Uint8Array, count: number): Uint8Array[] {
  const elements: Uint8Array[] = [];
  eachElement(data, count, (start, end) => elements.push(data.subarray(start, end)));
  return elements;
}

/** The reverse of `unframe`. */
export function frame(elements: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const data = new Uint8Array(elements.reduce((sum, element) => sum + 4 + element.length, 0));
  const view = new DataView(data.buffer);
  let offset = 0;
  for (const element of elements) {
    view.setUint32(offset, element.length, true);
    data.set(element, offset + 4);
    offset += 4 + element.length;
  }
  return data;
}

/** Elements of one BYTES tensor: each becomes an object, of a hundred times the bytes that it may have. */
const MOST_STRINGS = 2 ** 20;
/** Shorter elements are looked at byte by byte: a view of each would cost more. */
const SHORT = 64;

/** Whether all of it is ASCII other than the zero byte. */
function isPlain(data: Uint8Array, start: number, end: number): boolean {
  for (let i = start; i < end; i++) {
    const byte = data[i] ?? 0;
    if (byte === 0 || byte >= 0x80) return false;
  }
  return true;
}

/**
 * Checks that BYTES data holds strings that ONNX Runtime can be given, and makes none. Throws EngineError
 * `invalid-request` where they are too many, on malformed UTF-8, and on a zero byte: ONNX Runtime for Node
 * ends a string there, and would answer another question.
 */
export function assertStrings(data: Uint8Array, count: number): void {
  if (count > MOST_STRINGS) {
    throw new EngineError(
      'invalid-request',
      `expected at most ${MOST_STRINGS} elements of a BYTES tensor, not ${count}`,
    );
  }
  eachElement(data, count, (start, end, index) => {
    if (index >= count || (end - start <= SHORT && isPlain(data, start, end))) return;
    const element = data.subarray(start, end);
    if (element.includes(0)) {
      throw new EngineError(
        'invalid-request',
        `element ${index} of the BYTES data has a zero byte, which ONNX Runtime for Node cannot take`,
      );
    }
    if (!isUtf8(element)) {
      throw new EngineError(
        'invalid-request',
        `element ${index} of the BYTES data is not well-formed UTF-8, which ONNX strings are`,
      );
    }
  });
}

/** BYTES data as ONNX Runtime's strings; throws as `assertStrings`. */
export function toStrings(data: Uint8Array, count: number): string[] {
  assertStrings(data, count);
  return unframe(data, count).map((element) => decoder.decode(element));
}

export function fromStrings(strings: readonly string[]): Uint8Array<ArrayBuffer> {
  return frame(strings.map((text) => encoder.encode(text)));
}
