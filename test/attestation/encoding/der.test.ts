import assert from 'node:assert/strict';
import { generateKeyPairSync, sign, verify } from 'node:crypto';
import { test } from 'node:test';
import forge from 'node-forge';
import { parseDer } from '../../../attestation/encoding/asn1.js';
import { utf8 } from '../../../attestation/encoding/bytes.js';
import {
  boolean,
  contextTag,
  type DerValue,
  fromEcdsaSigValue,
  members,
  objectIdentifier,
  only,
  readDer,
  TAG,
  time,
  toEcdsaSigValue,
  unsigned,
  wholeBytes,
} from '../../../attestation/encoding/der.js';
import { fc } from '../../property.js';

/** A primitive or constructed value with contents of less than 128 bytes. */
const value = (tag: number, contents: ArrayLike<number>): Uint8Array =>
  Uint8Array.of(tag, contents.length, ...Array.from(contents));
const refused = { code: 'ASN1_DER' };

test('a value has at most 1 MiB', () => {
  const octets = (length: number): Uint8Array => {
    const bytes = new Uint8Array(5 + length);
    bytes.set([TAG.octetString, 0x83, length >> 16, (length >> 8) & 255, length & 255]);
    return bytes;
  };
  assert.equal(readDer(octets(2 ** 20 - 5)).length, 2 ** 20 - 5);
  assert.throws(() => readDer(octets(2 ** 20 - 4)), {
    ...refused,
    message: 'expected at most 1048576 bytes, not 1048577',
  });
});

test('a length is read in each of its forms, as node-forge reads it', () => {
  for (const [length, ...header] of [
    [0, 0],
    [127, 127],
    [128, 0x81, 128],
    [255, 0x81, 255],
    [256, 0x82, 1, 0],
    [65_535, 0x82, 255, 255],
    [65_536, 0x83, 1, 0, 0],
  ] as const) {
    const der = Uint8Array.of(TAG.octetString, ...header, ...new Uint8Array(length));
    assert.equal(readDer(der).length, length);
    assert.equal(readDer(der).start, 1 + header.length);
    assert.doesNotThrow(() => parseDer(der));
  }
});

test('identifiers have the dotted form that node-forge gives them', () => {
  const arc = fc.integer({ min: 0, max: 2 ** 28 - 1 });
  fc.assert(
    fc.property(fc.nat(2), fc.nat(39), fc.array(arc, { maxLength: 8 }), (first, second, more) => {
      const dotted = [first, second, ...more].join('.');
      const contents = Buffer.from(forge.asn1.oidToDer(dotted).getBytes(), 'latin1');
      const der = readDer(value(TAG.objectIdentifier, contents));
      assert.equal(objectIdentifier(der, 'it'), dotted);
    }),
  );
});

test('values are read as they are', () => {
  const read = (der: Uint8Array): DerValue => readDer(der);
  assert.equal(unsigned(read(value(TAG.integer, [0x12, 0x34])), 'it'), 0x1234);
  assert.equal(boolean(read(value(TAG.boolean, [0xff])), 'it'), true);
  assert.equal(boolean(read(value(TAG.boolean, [0])), 'it'), false);
  assert.deepEqual(wholeBytes(read(value(TAG.bitString, [0, 7, 8])), 'it'), Uint8Array.of(7, 8));
  for (const [tag, text, iso] of [
    [TAG.utcTime, '491231235959Z', '2049-12-31T23:59:59.000Z'],
    [TAG.utcTime, '500101000000Z', '1950-01-01T00:00:00.000Z'],
    [0x18, '20240229120000Z', '2024-02-29T12:00:00.000Z'],
  ] as const) {
    assert.equal(time(read(value(tag, utf8(text))), 'it').toISOString(), iso);
  }
  const list = value(TAG.sequence, [...value(TAG.integer, [1]), ...value(TAG.sequence, [])]);
  const [number, inner, ...none] = members(read(list), 'it');
  assert.equal(unsigned(number, 'it'), 1);
  assert.deepEqual(inner?.der, Uint8Array.of(TAG.sequence, 0));
  assert.deepEqual(members(inner, 'it'), []);
  assert.equal(none.length, 0);
});

test('an ECDSA signature as r‖s and as DER is the same two numbers, and OpenSSL reads them so', () => {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const number = fc
    .tuple(fc.nat(32), fc.uint8Array({ minLength: 32, maxLength: 32 }))
    .map(([zeros, bytes]) => bytes.fill(0, 0, zeros));
  fc.assert(
    fc.property(number, number, fc.uint8Array(), (r, s, data) => {
      const raw = Uint8Array.of(...r, ...s);
      assert.deepEqual(fromEcdsaSigValue(toEcdsaSigValue(raw)), raw);
      const der = sign('sha256', data, privateKey);
      const signature = fromEcdsaSigValue(der);
      assert.deepEqual(toEcdsaSigValue(signature), new Uint8Array(der));
      const key = { key: publicKey, dsaEncoding: 'ieee-p1363' } as const;
      assert.equal(verify('sha256', data, key, signature), true);
    }),
  );
});

test('what is no ECDSA signature of a curve of 256 bits is refused', () => {
  const one = value(TAG.integer, [1]);
  for (const [name, der] of [
    ['one number', value(TAG.sequence, one)],
    ['three numbers', value(TAG.sequence, [...one, ...one, ...one])],
    ['another type', value(TAG.sequence, [...one, ...value(TAG.octetString, [1])])],
    ['a negative number', value(TAG.sequence, [...one, ...value(TAG.integer, [0x80])])],
    [
      'a number of 33 bytes',
      value(TAG.sequence, [...one, ...value(TAG.integer, Array(33).fill(1))]),
    ],
    ['a SET', value(TAG.set, [...one, ...one])],
  ] as const) {
    assert.throws(() => fromEcdsaSigValue(der), refused, name);
  }
});

test('what is not in the canonical form is refused, by the tree of node-forge too', () => {
  for (const [name, der] of [
    ['nothing', []],
    ['a tag alone', [5]],
    ['contents that end early', [4, 2, 0]],
    ['a byte behind it', [5, 0, 0]],
    ['a member that is a tag alone', [0x30, 1, 5]],
    ['an indefinite length', [0x30, 0x80, 0, 0]],
    ['an indefinite length before 128 bytes', [4, 0x80, ...new Uint8Array(128)]],
    ['a long length for 127 bytes', [4, 0x81, 0x7f, ...new Uint8Array(127)]],
    ['a length of two bytes for 255', [4, 0x82, 0, 0xff, ...new Uint8Array(255)]],
    ['a long length for a short one', [4, 0x81, 1, 0]],
    ['a length that begins with zero', [4, 0x82, 0, 0x80, ...new Uint8Array(128)]],
    ['a length of five bytes', [4, 0x85, 1, 0, 0, 0, 0]],
    ['a tag of two bytes', [0x1f, 1, 0]],
    ['a member longer than its list', [0x30, 3, 4, 2, 0]],
    ['an integer without a byte', [2, 0]],
    ['an integer with a needless zero', [2, 2, 0, 1]],
    ['an integer with needless ones', [2, 2, 0xff, 0x80]],
    ['an integer of another class with a needless zero', [0x82, 2, 0, 1]],
    ['half a character', [0x1e, 1, 0]],
    ['half a character of another class before a value', [0x30, 5, 0xde, 1, 0, 5, 0]],
  ] as const) {
    assert.throws(() => readDer(Uint8Array.from(der)), refused, name);
    assert.throws(() => parseDer(Uint8Array.from(der)), refused, name);
  }
});

test('contents that their type does not allow are refused', () => {
  const oid = (der: DerValue) => objectIdentifier(der, 'it');
  const date = (der: DerValue) => time(der, 'it');
  const times = [
    ['a time of a month 0', '250001000000Z'],
    ['a time of a month 13', '251301000000Z'],
    ['a time of a day 0', '250100000000Z'],
    ['the 31st of April', '250431000000Z'],
    ['the 29th of February of a common year', '250229000000Z'],
    ["24 o'clock", '250101240000Z'],
    ['a minute 60', '250101006000Z'],
    ['a second 60', '250101000060Z'],
    ['a time without seconds', '2501010000Z'],
    ['a time with an offset', '250101000000+'],
    ['a time with a sign', '2501010000-1Z'],
  ] as const;
  const cases: readonly (readonly [string, Uint8Array, (der: DerValue) => unknown])[] = [
    ['an identifier of nothing', value(TAG.objectIdentifier, []), oid],
    ['an arc that does not end', value(TAG.objectIdentifier, [0x55, 0x84]), oid],
    ['an arc with a needless byte', value(TAG.objectIdentifier, [0x55, 0x80, 4]), oid],
    ['an arc beyond numbers', value(TAG.objectIdentifier, [0x55, ...Array(8).fill(0xff), 1]), oid],
    ['an identifier with another tag', value(TAG.octetString, [0x55]), oid],
    ['a boolean of two bytes', value(TAG.boolean, [0xff, 0xff]), (der) => boolean(der, 'it')],
    ['a boolean that is 1', value(TAG.boolean, [1]), (der) => boolean(der, 'it')],
    ['bits that are no bytes', value(TAG.bitString, [1, 0]), (der) => wholeBytes(der, 'it')],
    ['a negative number', value(TAG.integer, [0x80]), (der) => unsigned(der, 'it')],
    [
      'a number of 7 bytes',
      value(TAG.integer, [1, ...Array(6).fill(0)]),
      (der) => unsigned(der, 'it'),
    ],
    ['a SET for a SEQUENCE', value(TAG.set, []), (der) => members(der, 'it')],
    [
      'two values in an explicit tag',
      value(contextTag(0), [...value(5, []), ...value(5, [])]),
      (der) => only(der, contextTag(0), 'it'),
    ],
    [
      'nothing in an explicit tag',
      value(contextTag(0), []),
      (der) => only(der, contextTag(0), 'it'),
    ],
    ['the year 50 in four digits', value(TAG.generalizedTime, utf8('00500101000000Z')), date],
    ...times.map(([name, text]) => [name, value(TAG.utcTime, utf8(text)), date] as const),
  ];
  for (const [name, der, read] of cases) {
    const checked = readDer(der);
    assert.throws(() => read(checked), refused, name);
  }
});
