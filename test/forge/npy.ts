import { concat, fromHex, utf8 } from '../../attestation/encoding/bytes.js';

/** A file as numpy.lib.format writes it, with any part replaced. */
export function file(dictionary: string, body: Uint8Array, version = 1): Uint8Array<ArrayBuffer> {
  const prefix = version === 1 ? 10 : 12;
  const text = `${dictionary.padEnd(128 - prefix - 1)}\n`;
  const length = new Uint8Array(version === 1 ? 2 : 4);
  length.set([text.length & 0xff, text.length >> 8]);
  return concat(fromHex('934e554d5059'), Uint8Array.of(version, 0), length, utf8(text), body);
}

/** The header of such a file. */
export function dictionary(descr: string, shape: string, fortran = 'False'): string {
  return `{'descr': '${descr}', 'fortran_order': ${fortran}, 'shape': ${shape}, }`;
}

/** Written by numpy 2: each says what it holds. */
export const NUMPY = {
  'float32 2x2': {
    base64:
      'k05VTVBZAQB2AHsnZGVzY3InOiAnPGY0JywgJ2ZvcnRyYW5fb3JkZXInOiBGYWxzZSwgJ3NoYXBlJzogKDIsIDIpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAIA/AAAgQAAAAIAAAIB/',
    datatype: 'FP32',
    shape: [2, 2],
    elements: [1, 2.5, -0, Number.POSITIVE_INFINITY],
  },
  'uint16 in column-major order': {
    base64:
      'k05VTVBZAQB2AHsnZGVzY3InOiAnPHUyJywgJ2ZvcnRyYW5fb3JkZXInOiBUcnVlLCAnc2hhcGUnOiAoMiwgMyksIH0gICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIAoAAAMAAQAEAAIABQA=',
    datatype: 'UINT16',
    shape: [2, 3],
    elements: [0, 1, 2, 3, 4, 5],
  },
  'text, version 3': {
    base64:
      'k05VTVBZAwB0AAAAeydkZXNjcic6ICc8VTInLCAnZm9ydHJhbl9vcmRlcic6IEZhbHNlLCAnc2hhcGUnOiAoMiwpLCB9ICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIArpAAAAAAAAAAD2AQB4AAAA',
    datatype: 'BYTES',
    shape: [2],
    elements: [utf8('é'), utf8('\u{1F600}x')],
  },
} as const;
