import assert from 'node:assert/strict';
import { test } from 'node:test';
import forge from 'node-forge';
import {
  type Asn1Node,
  children,
  encodeDer,
  oid,
  oidContents,
  parseDer,
  primitive,
  unsigned,
} from '../../../attestation/encoding/asn1.js';

const { Type } = forge.asn1;
const node = (...bytes: number[]): Asn1Node => parseDer(Uint8Array.from(bytes));
const binary = (...bytes: number[]): string => String.fromCharCode(...bytes);

test('values are read as they are', () => {
  const list = node(0x30, 5, 2, 1, 7, 5, 0);
  assert.deepEqual(
    children(list, 'it').map((member) => encodeDer(member)),
    [Uint8Array.of(2, 1, 7), Uint8Array.of(5, 0)],
  );
  assert.deepEqual(
    primitive(node(4, 3, 0, 0x80, 0xff), Type.OCTETSTRING, 'it'),
    Uint8Array.of(0, 0x80, 0xff),
  );
  for (const [contents, number] of [
    [[0], 0],
    [[0x7f], 127],
    [[0, 0x80], 128],
    [[1, 2, 3], 0x010203],
    [[0x7f, 0xff, 0xff, 0xff, 0xff, 0xff], 2 ** 47 - 1],
  ] as const) {
    assert.equal(unsigned(node(2, contents.length, ...contents), 'it'), number);
  }
  for (const contents of [[0x55], [0x55, 0x1d, 0x7f], [0x2a, 0x81, 0x80, 1]]) {
    assert.equal(oid(node(6, contents.length, ...contents), 'it'), binary(...contents));
  }
  assert.equal(oidContents('1.2.840.113741'), binary(0x2a, 0x86, 0x48, 0x86, 0xf8, 0x4d));
});

test('a long value is encoded as it was', () => {
  const value = new Uint8Array(4 + 20_000).map((_, i) => i & 0xff);
  value.set([4, 0x82, 20_000 >> 8, 20_000 & 0xff]);
  assert.deepEqual(encodeDer(parseDer(value)), value);
});

const octets = (value: Asn1Node | undefined) => primitive(value, Type.OCTETSTRING, 'it');
const numbered = (value: Asn1Node | undefined) => unsigned(value, 'it');
const named = (value: Asn1Node | undefined) => oid(value, 'it');
const listed = (value: Asn1Node | undefined) => children(value, 'it');

for (const [what, value, read] of [
  ['a list that is missing', undefined, listed],
  ['a SET for a SEQUENCE', node(0x31, 0), listed],
  ['an explicit tag for a SEQUENCE', node(0xb0, 0), listed],
  ['text for a SEQUENCE', node(4, 0), listed],
  ['octets that are missing', undefined, octets],
  ['a number for octets', node(2, 1, 1), octets],
  ['a context tag for octets', node(0x84, 1, 1), octets],
  ['octets in pieces', node(0x24, 3, 4, 1, 1), octets],
  ['a negative number', node(2, 1, 0x80), numbered],
  ['a number of seven bytes', node(2, 7, 1, 0, 0, 0, 0, 0, 0), numbered],
  ['octets for a number', node(4, 1, 1), numbered],
  ['an identifier that is missing', undefined, named],
  ['an identifier of nothing', node(6, 0), named],
  ['an identifier of a needless byte', node(6, 3, 0x55, 0x80, 1), named],
  ['an identifier that begins with one', node(6, 2, 0x80, 1), named],
  ['an identifier that does not end', node(6, 2, 0x55, 0x81), named],
  ['an identifier that ends within an arc of zeros', node(6, 3, 0x55, 0x81, 0x80), named],
  ['a context tag for an identifier', node(0x86, 1, 0x55), named],
  ['octets for an identifier', node(4, 1, 0x55), named],
] as const) {
  test(`${what} is refused`, () => {
    assert.throws(() => read(value), { code: 'ASN1_DER' });
  });
}
