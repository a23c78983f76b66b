import { EngineError } from './error.js';

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/**
 * The elements of a BYTES tensor: each is an unsigned 32-bit little-endian length and that many
 * bytes. Throws EngineError `invalid-request` unless the data holds exactly `count` of them.
 */
export function unframe(data: Uint8Array, count: number): Uint8Array[] {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  const elements: Uint8Array[] = [];
  let offset = 0;
  while (offset < data.length) {
    const start = offset + 4;
    const end = start > data.length ? start : start + view.getUint32(offset, true);
    if (end > data.length) {
      throw new EngineError(
        'invalid-request',
        `element ${elements.length} of the BYTES data runs past its end (${data.length} bytes)`,
      );
    }
    elements.push(data.subarray(start, end));
    offset = end;
  }
  if (elements.length !== count) {
    throw new EngineError(
      'invalid-request',
      `expected ${count} BYTES elements as the shape says, the data holds ${elements.length}`,
    );
  }
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

/**
 * BYTES data as ONNX Runtime's strings. Throws EngineError `invalid-request` on malformed UTF-8, and
 * on a zero byte: ONNX Runtime for Node ends a string there, and would answer another question.
 */
export function toStrings(data: Uint8Array, count: number): string[] {
  return unframe(data, count).map((element, index) => {
    if (element.includes(0)) {
      throw new EngineError(
        'invalid-request',
        `element ${index} of the BYTES data has a zero byte, which ONNX Runtime for Node cannot take`,
      );
    }
    try {
      return decoder.decode(element);
    } catch (cause) {
      throw new EngineError(
        'invalid-request',
        `element ${index} of the BYTES data is not well-formed UTF-8, which ONNX strings are`,
        cause,
      );
    }
  });
}

export function fromStrings(strings: readonly string[]): Uint8Array<ArrayBuffer> {
  return frame(strings.map((text) => encoder.encode(text)));
}
