import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fromHex, toHex } from '../../../attestation/encoding/bytes.js';
import {
  type CborKey,
  type CborValue,
  decodeCbor,
  encodeCbor,
} from '../../../attestation/encoding/cbor.js';
import { CborFields } from '../../../attestation/encoding/fields.js';
import { fc } from '../../property.js';

test('encodings of RFC 8949 appendix A', () => {
  const cases: [CborValue, string][] = [
    [0, '00'],
    [23, '17'],
    [24, '1818'],
    [100, '1864'],
    [1000, '1903e8'],
    [1000000, '1a000f4240'],
    [1000000000000, '1b000000e8d4a51000'],
    [18446744073709551615n, '1bffffffffffffffff'],
    [-9223372036854775808n, '3b7fffffffffffffff'],
    [-1, '20'],
    [-1000, '3903e7'],
    [false, 'f4'],
    [true, 'f5'],
    [null, 'f6'],
    [fromHex('01020304'), '4401020304'],
    ['', '60'],
    ['IETF', '6449455446'],
    ['\u6c34', '63e6b0b4'],
    ['\u{10151}', '64f0908591'],
    [[1, [2, 3], [4, 5]], '8301820203820405'],
    [
      new Map<CborKey, CborValue>([
        [3, 4],
        [1, 2],
      ]),
      'a201020304',
    ],
    [
      new Map<CborKey, CborValue>([
        ['b', [2, 3]],
        ['a', 1],
      ]),
      'a26161016162820203',
    ],
  ];
  for (const [value, hex] of cases) {
    assert.equal(toHex(encodeCbor(value)), hex);
    assert.deepEqual(decodeCbor(fromHex(hex)), decodeCbor(encodeCbor(value)));
  }
});

const leaf: fc.Arbitrary<CborValue> = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 64n - 1n }).map((value) => {
    const near = Number(value);
    return Number.isSafeInteger(near) ? near : value;
  }),
  fc.integer(),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  fc.boolean(),
  fc.constant(null),
  fc.uint8Array({ maxLength: 300 }),
);
const anyValue: fc.Arbitrary<CborValue> = fc.letrec<{ value: CborValue }>((tie) => ({
  value: fc.oneof(
    { maxDepth: 4 },
    leaf,
    fc.array(tie('value'), { maxLength: 5 }),
    fc
      .array(fc.tuple(fc.oneof(fc.integer(), fc.string()), tie('value')), { maxLength: 5 })
      .map((entries) => new Map<CborKey, CborValue>(entries)),
  ),
})).value;

test('what is encoded decodes to the same value, whatever the order of insertion', () => {
  fc.assert(
    fc.property(anyValue, (value) => {
      const bytes = encodeCbor(value);
      assert.deepEqual(encodeCbor(decodeCbor(bytes)), bytes);
      if (value instanceof Map) {
        assert.deepEqual(encodeCbor(new Map([...value].reverse())), bytes);
      }
    }),
  );
});

test('every other encoding is refused', () => {
  const cases: [string, string, string][] = [
    ['empty input', '', 'CBOR_VALUE'],
    ['trailing byte', '0000', 'CBOR_TRAILING'],
    ['integer longer than needed', '1817', 'CBOR_NOT_DETERMINISTIC'],
    ['length longer than needed', '580101', 'CBOR_NOT_DETERMINISTIC'],
    ['keys out of order', 'a203040102', 'CBOR_NOT_DETERMINISTIC'],
    ['repeated key', 'a201020103', 'CBOR_NOT_DETERMINISTIC'],
    ['malformed UTF-8', '61ff', 'CBOR_NOT_DETERMINISTIC'],
    ['float', 'f93c00', 'CBOR_VALUE'],
    ['undefined', 'f7', 'CBOR_VALUE'],
    ['simple value', 'e0', 'CBOR_VALUE'],
    ['indefinite bytes', '5f4101ff', 'CBOR_VALUE'],
    ['indefinite array', '9f01ff', 'CBOR_VALUE'],
    ['reserved additional information', '1c', 'CBOR_VALUE'],
    ['tag 0 (date)', 'c06161', 'CBOR_VALUE'],
    ['tag 2 (bignum)', 'c24101', 'CBOR_VALUE'],
    ['length past the end', '5903e8', 'CBOR_VALUE'],
    ['array of 2^32 items', '9b0000000100000000', 'CBOR_VALUE'],
    ['map of 2^63 entries', 'bb8000000000000000', 'CBOR_VALUE'],
    ['deep nesting', `${'81'.repeat(40)}00`, 'CBOR_VALUE'],
    ['integer below -2^63', '3b8000000000000000', 'CBOR_VALUE'],
    ['a map as key', 'a1a000', 'CBOR_VALUE'],
    ['bytes as key', 'a1410100', 'CBOR_VALUE'],
  ];
  for (const [name, hex, code] of cases) {
    assert.throws(() => decodeCbor(fromHex(hex)), { code }, name);
  }
});

/** An array of so many items of one byte each. */
function arrayOf(count: number, item: number): Uint8Array {
  const bytes = new Uint8Array(5 + count).fill(item);
  bytes.set([0x9a, count >>> 24, (count >>> 16) & 255, (count >>> 8) & 255, count & 255]);
  return bytes;
}

test('items are bounded, whatever they are in', () => {
  const refusal = { code: 'CBOR_VALUE', message: 'expected at most 131072 items' };
  assert.equal((decodeCbor(arrayOf(131_071, 0xf6)) as readonly CborValue[]).length, 131_071);
  for (const item of [0xf6, 0x80, 0xa0, 0x40, 0x00]) {
    assert.throws(() => decodeCbor(arrayOf(131_072, item)), refusal);
    assert.throws(() => decodeCbor(arrayOf(12 * 1024 * 1024, item)), refusal);
  }
  const map = arrayOf(131_072, 0xf6);
  map.set([0xba, 0, 1, 0, 0]);
  assert.throws(() => decodeCbor(map), refusal);
});

test('bytes are bounded by what a format needs', () => {
  const refusal = { code: 'CBOR_VALUE', message: 'expected at most 3 bytes, not 4' };
  assert.equal(decodeCbor(fromHex('190100'), 3), 256);
  assert.throws(() => decodeCbor(fromHex('43010203'), 3), refusal);
});

test('values outside the formats are not encoded', () => {
  const deep: CborValue = Array.from({ length: 20 }).reduce<CborValue>((inner) => [inner], 0);
  for (const value of [0.5, Number.NaN, 2 ** 60, 2n ** 64n, -(2n ** 63n) - 1n, '\ud800', deep]) {
    assert.throws(() => encodeCbor(value), { code: 'CBOR_VALUE' });
  }
});

test('fields are taken by type, once, and none may be left', () => {
  const bytes = encodeCbor(
    new Map<CborKey, CborValue>([
      ['n', 7],
      ['t', 'text'],
      ['b', new Uint8Array(4)],
      ['f', true],
    ]),
  );
  const code = 'MANIFEST_FORMAT';
  const open = (): CborFields => CborFields.decode(bytes, 'thing', code);
  const fields = open();
  assert.equal(fields.unsigned('n'), 7);
  assert.equal(fields.text('t'), 'text');
  assert.equal(fields.bytes('b', 4).length, 4);
  assert.equal(fields.boolean('f'), true);
  fields.end();
  const wrong: [string, (fields: CborFields) => unknown][] = [
    ['taken twice', () => fields.text('t')],
    ['absent', (f) => f.take('z')],
    ['wrong length', (f) => f.bytes('b', 5)],
    ['text for bytes', (f) => f.bytes('t')],
    ['bytes for text', (f) => f.text('b')],
    ['text for integer', (f) => f.unsigned('t')],
    ['text for map', (f) => f.map('t')],
    ['text for array', (f) => f.array('t')],
    ['integer for boolean', (f) => f.boolean('n')],
    ['members left', (f) => f.end()],
    ['not a map', () => new CborFields([], 'thing', code)],
    ['not CBOR', () => CborFields.decode(Uint8Array.of(0xff), 'thing', code)],
  ];
  for (const [name, run] of wrong) assert.throws(() => run(open()), { code }, name);
});
