import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dataTypeOf } from '../../../attestation/model/data-type.js';
import { tensorDistance } from '../../../attestation/model/distance.js';
import { layoutOf, type Numeric } from '../../../attestation/model/number.js';

const CODES = {
  UINT4: 21,
  INT4: 22,
  UINT2: 25,
  INT2: 26,
  BFLOAT16: 16,
  FLOAT8E4M3FN: 17,
  INT64: 7,
};

function elements(type: keyof typeof CODES, bytes: readonly number[]): Numeric[] | null {
  const layout = layoutOf(dataTypeOf(CODES[type]));
  assert.ok(layout);
  const { bits, read } = layout;
  const view = new DataView(Uint8Array.from(bytes).buffer);
  return read && Array.from({ length: (bytes.length * 8) / bits }, (_, index) => read(view, index));
}

const rows: readonly (readonly [
  keyof typeof CODES,
  readonly number[],
  readonly Numeric[] | null,
])[] = [
  ['UINT4', [0xf1], [1, 15]],
  ['INT4', [0xf7, 0x08], [7, -1, -8, 0]],
  ['UINT2', [0b11_10_01_00], [0, 1, 2, 3]],
  ['INT2', [0b11_10_01_00], [0, 1, -2, -1]],
  ['BFLOAT16', [0x80, 0x3f, 0x80, 0xff], [1, Number.NEGATIVE_INFINITY]],
  ['INT64', [1, 0, 0, 0, 0, 0, 0, 0x40], [2n ** 62n + 1n]],
  ['FLOAT8E4M3FN', [0x38], null],
];
for (const [type, bytes, expected] of rows) {
  test(`elements of ${type}`, () => assert.deepEqual(elements(type, bytes), expected));
}

test('strings have no layout', () => assert.equal(layoutOf(dataTypeOf(8)), null));

test('packed elements are compared one by one, 8-bit floats by their bits', () => {
  const compare = (type: keyof typeof CODES, count: number, a: number, b: number) => {
    const layout = layoutOf(dataTypeOf(CODES[type]));
    assert.ok(layout);
    return tensorDistance(layout, count, Uint8Array.of(a), Uint8Array.of(b));
  };
  const packed = compare('INT4', 2, 0x71, 0x81);
  assert.deepEqual([packed.differing, packed.first, packed.numeric?.maxAbsolute], [1, 1, 15]);
  assert.equal(compare('INT4', 1, 0x71, 0x81).differing, 0, 'padding is no element');
  assert.deepEqual(compare('FLOAT8E4M3FN', 1, 0x38, 0x39), {
    elements: 1,
    differing: 1,
    first: 0,
    numeric: null,
  });
});
