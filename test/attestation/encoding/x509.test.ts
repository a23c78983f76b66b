import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type Asn1Node,
  children,
  encodeDer,
  parseDer,
} from '../../../attestation/encoding/asn1.js';
import { utf8 } from '../../../attestation/encoding/bytes.js';
import { commonNameOf, parseCertificate } from '../../../attestation/encoding/x509.js';
import { forgedAmd } from '../../forge/amd.js';
import { forgedIntel } from '../../forge/intel.js';

const intel = (await forgedIntel()).platformCa.der;
const amd = (await forgedAmd('Milan')).ark.der;

/** A value with contents of less than 64 KiB. */
function value(tag: number, ...contents: readonly (Uint8Array | number)[]): Uint8Array {
  const bytes = contents.flatMap((item) => (typeof item === 'number' ? [item] : [...item]));
  const { length } = bytes;
  const long = length < 0x100 ? [0x81, length] : [0x82, length >> 8, length & 0xff];
  return Uint8Array.of(tag, ...(length < 0x80 ? [length] : long), ...bytes);
}

const seq = (...members: readonly Uint8Array[]): Uint8Array => value(0x30, ...members);
const oid = (hex: string): Uint8Array => value(6, Buffer.from(hex, 'hex'));
const integer = (...bytes: readonly number[]): Uint8Array => value(2, ...bytes);
const NULL = value(5);

/** The certificate with other members; `tbs` are those that are signed. */
function rewritten(
  der: Uint8Array,
  change: (members: Asn1Node[], tbs: Asn1Node[]) => unknown,
): Uint8Array {
  const tree = parseDer(der);
  const members = children(tree, 'certificate');
  change(members, children(members[0], 'tbs'));
  return encodeDer(tree);
}

/** Places in what is signed (RFC 5280 section 4.1.2). */
const TBS = {
  version: 0,
  serial: 1,
  algorithm: 2,
  issuer: 3,
  validity: 4,
  subject: 5,
  key: 6,
  extensions: 7,
} as const;

/** The certificate with these members of what is signed in the place of one. */
const withMember = (place: keyof typeof TBS, ...members: readonly Uint8Array[]): Uint8Array =>
  rewritten(intel, (_, tbs) => tbs.splice(TBS[place], 1, ...members.map(parseDer)));

const extension = (id: string, ...rest: readonly Uint8Array[]): Uint8Array => seq(oid(id), ...rest);
const withExtensions = (...list: readonly Uint8Array[]): Uint8Array =>
  withMember('extensions', value(0xa3, seq(...list)));
const BASIC_CONSTRAINTS = '551d13';
const KEY_USAGE = '551d0f';
const constraints = (...members: readonly Uint8Array[]): Uint8Array =>
  withExtensions(extension(BASIC_CONSTRAINTS, value(4, seq(...members))));
const usage = (...bits: readonly number[]): Uint8Array =>
  withExtensions(extension(KEY_USAGE, value(4, value(3, ...bits))));

/** The certificate, in both places of its signature algorithm. */
const signedWith = (der: Uint8Array, algorithm: Uint8Array): Uint8Array =>
  rewritten(der, (members, tbs) => {
    tbs[TBS.algorithm] = parseDer(algorithm);
    members[1] = parseDer(algorithm);
  });

const SHA256 = seq(oid('608648016503040201'), NULL);
const SHA384 = seq(oid('608648016503040202'), NULL);
const MGF1 = '2a864886f70d010108';
const HASH = value(0xa0, SHA384);
const MASK = value(0xa1, seq(oid(MGF1), SHA384));
const SALT = value(0xa2, integer(48));
const pss = (...parameters: readonly Uint8Array[]): Uint8Array =>
  signedWith(amd, seq(oid('2a864886f70d01010a'), seq(...parameters)));
const ECDSA_SHA256 = oid('2a8648ce3d040302');

const UTF8 = 0x0c;
const attribute = (type: string, tag: number, text: string): Uint8Array =>
  value(0x31, seq(oid(type), value(tag, utf8(text))));
const COMMON_NAME = '550403';
const name = (...names: readonly string[]): Uint8Array =>
  seq(...names.map((text) => attribute(COMMON_NAME, UTF8, text)));

const EC = '2a8648ce3d0201';
const P256 = '2a8648ce3d030107';
const key = (...algorithm: readonly Uint8Array[]): Uint8Array =>
  withMember('key', seq(seq(...algorithm), value(3, 0, 4, new Uint8Array(64))));
const rsa = (...modulus: readonly Uint8Array[]): Uint8Array =>
  withMember(
    'key',
    seq(
      seq(oid('2a864886f70d010101'), NULL),
      value(3, 0, seq(value(2, ...modulus), integer(1, 0, 1))),
    ),
  );
const modulus = (bytes: number): Uint8Array => new Uint8Array(bytes).fill(0xff);
const DATES = ['240101000000Z', '490101000000Z'].map((text) => value(0x17, utf8(text)));

test('what a certificate says is read from where it stands', () => {
  const read = parseCertificate(
    rewritten(intel, (_, tbs) => {
      tbs[TBS.issuer] = parseDer(seq(attribute('550406', 0x13, 'US'), ...[name('A')].map(rdn)));
      tbs[TBS.subject] = parseDer(seq(attribute(COMMON_NAME, 0x13, 'B')));
      tbs[TBS.serial] = parseDer(integer(0, 0x80));
      tbs[TBS.validity] = parseDer(seq(...DATES));
    }),
  );
  assert.equal(read.serialNumber, '0080');
  assert.equal(read.issuerCommonName, 'A');
  assert.equal(read.subjectCommonName, 'B');
  assert.equal(read.notBefore.toISOString(), '2024-01-01T00:00:00.000Z');
  assert.equal(read.notAfter.toISOString(), '2049-01-01T00:00:00.000Z');
  assert.equal(read.signatureAlgorithm, 'ecdsa-p256-sha256');
  assert.equal(read.keyKind, 'p-256');
  assert.equal(parseCertificate(key(oid(EC), oid('2b81040022'))).keyKind, 'p-384');
  assert.equal(parseCertificate(rsa(Uint8Array.of(0), modulus(512))).keyKind, 'rsa-4096');
  const longest = 'x'.repeat(64);
  assert.equal(parseCertificate(withMember('subject', name(longest))).subjectCommonName, longest);
  assert.equal(commonNameOf(name('C')), 'C');
});

/** The one RelativeDistinguishedName of a name. */
function rdn(one: Uint8Array): Uint8Array {
  return one.subarray(2);
}

test('basicConstraints and keyUsage are read as RFC 5280 has them', () => {
  const path = (der: Uint8Array) => {
    const { isCa, pathLength } = parseCertificate(der);
    return [isCa, pathLength];
  };
  const CA = value(1, 0xff);
  assert.deepEqual(path(constraints(CA, integer(3))), [true, 3]);
  assert.deepEqual(path(constraints(CA, integer(0))), [true, 0]);
  assert.deepEqual(path(constraints(CA)), [true, undefined]);
  assert.deepEqual(path(constraints()), [false, undefined]);
  const none = parseCertificate(rewritten(intel, (_, tbs) => tbs.pop()));
  assert.deepEqual([none.isCa, none.pathLength, none.keyUsage], [false, undefined, undefined]);
  assert.equal(none.extensions.size, 0);
  for (const [der, bits] of [
    [usage(7, 0x80), 1 << 0],
    [usage(2, 0x04), 1 << 5],
    [usage(1, 0x02), 1 << 6],
    [usage(0, 0x01), 1 << 7],
    [usage(1, 0x86), (1 << 0) | (1 << 5) | (1 << 6)],
    [usage(7, 0, 0x80), 0],
    [usage(0), 0],
  ] as const) {
    assert.equal(parseCertificate(der).keyUsage, bits);
  }
});

test('an extension is critical where it says so', () => {
  const { extensions } = parseCertificate(
    withExtensions(
      extension('2a03', value(1, 0xff), value(4, 1)),
      extension('2a04', value(1, 0), value(4, 2)),
      extension('2a05', value(4, 3)),
    ),
  );
  assert.deepEqual(
    [...extensions],
    [
      ['1.2.3', { critical: true, value: Uint8Array.of(1) }],
      ['1.2.4', { critical: false, value: Uint8Array.of(2) }],
      ['1.2.5', { critical: false, value: Uint8Array.of(3) }],
    ],
  );
});

test('RSASSA-PSS may say its trailer field, and leave out the parameters of its hashes', () => {
  for (const der of [
    pss(HASH, MASK, SALT),
    pss(HASH, MASK, SALT, value(0xa3, integer(1))),
    pss(value(0xa0, seq(oid('608648016503040202'))), MASK, SALT),
  ]) {
    assert.equal(parseCertificate(der).signatureAlgorithm, 'rsa-pss-sha384-salt48');
  }
});

for (const [what, der] of [
  ['nothing', new Uint8Array()],
  ['a byte less', intel.subarray(0, -1)],
  ['a byte more', Uint8Array.of(...intel, 0)],
  ['a SET', Uint8Array.of(0x31, ...intel.subarray(1))],
  ['no signature', rewritten(intel, (members) => members.pop())],
  ['a fourth member', rewritten(intel, (members) => members.push(parseDer(NULL)))],
  [
    'another algorithm than is signed',
    rewritten(intel, (members) => members.splice(1, 1, algorithmOf(amd))),
  ],
  ['version 1, by leaving it out', withMember('version')],
  ['version 2', withMember('version', value(0xa0, integer(1)))],
  ['two versions', withMember('version', value(0xa0, integer(2), integer(2)))],
  ['a serial number that is no integer', withMember('serial', value(4, 1))],
  ['no validity', withMember('validity')],
  ['one date', withMember('validity', seq(...DATES.slice(1)))],
  [
    'dates that are text',
    withMember('validity', seq(...DATES.map((date) => value(UTF8, date.subarray(2))))),
  ],
  [
    'unique identifiers',
    rewritten(intel, (_, tbs) => tbs.splice(7, 0, parseDer(value(0x81, 0, 1)))),
  ],
  ['a unique identifier for its extensions', withMember('extensions', value(0x81, 0, 1))],
  [
    'extensions under another tag',
    withMember('extensions', value(0xa2, seq(extension('2a03', value(4))))),
  ],
  ['a member behind its extensions', rewritten(intel, (_, tbs) => tbs.push(parseDer(NULL)))],
  ['no subject', withMember('subject')],
  ['a subject without common name', withMember('subject', seq(attribute('55040a', UTF8, 'B')))],
  ['a subject of two common names', withMember('subject', name('B', 'B'))],
  ['an issuer of two common names', withMember('issuer', name('A', 'B'))],
  ['a common name of 65 characters', withMember('subject', name('x'.repeat(65)))],
  ['a common name in BMPString', withMember('subject', seq(attribute(COMMON_NAME, 0x1e, 'BB')))],
  [
    'a common name that is no UTF-8',
    withMember('subject', seq(value(0x31, seq(oid(COMMON_NAME), value(UTF8, 0xff))))),
  ],
  [
    'a name of a SEQUENCE',
    withMember('subject', seq(seq(seq(oid(COMMON_NAME), value(UTF8, 0x42))))),
  ],
  ['ECDSA with SHA-384', signedWith(intel, seq(oid('2a8648ce3d040303')))],
  ['ECDSA with parameters', signedWith(intel, seq(ECDSA_SHA256, NULL))],
  [
    'RSA of another kind with the parameters of RSASSA-PSS',
    signedWith(amd, seq(oid('2a864886f70d01010c'), seq(HASH, MASK, SALT))),
  ],
  ['RSASSA-PSS without parameters', signedWith(amd, seq(oid('2a864886f70d01010a')))],
  [
    'RSASSA-PSS with parameters twice',
    signedWith(amd, seq(oid('2a864886f70d01010a'), seq(HASH, MASK, SALT), NULL)),
  ],
  ['RSASSA-PSS without a hash', pss(MASK, SALT)],
  ['RSASSA-PSS without a mask', pss(HASH, SALT)],
  ['RSASSA-PSS without a salt', pss(HASH, MASK)],
  ['RSASSA-PSS with SHA-256', pss(value(0xa0, SHA256), MASK, SALT)],
  ['RSASSA-PSS with MGF1 of SHA-256', pss(HASH, value(0xa1, seq(oid(MGF1), SHA256)), SALT)],
  [
    'RSASSA-PSS with another mask than MGF1',
    pss(HASH, value(0xa1, seq(oid('2a864886f70d010109'), SHA384)), SALT),
  ],
  ['RSASSA-PSS with a salt of 49 bytes', pss(HASH, MASK, value(0xa2, integer(49)))],
  ['RSASSA-PSS with trailer field 2', pss(HASH, MASK, SALT, value(0xa3, integer(2)))],
  ['RSASSA-PSS with a fifth parameter', pss(HASH, MASK, SALT, value(0xa4, integer(1)))],
  ['RSASSA-PSS with two hashes in one parameter', pss(value(0xa0, SHA384, SHA384), MASK, SALT)],
  ['an RSA key of 4088 bits', rsa(Uint8Array.of(0), modulus(511))],
  ['an RSA key of 4095 bits', rsa(Uint8Array.of(0x7f), modulus(511))],
  ['an RSA key of 4097 bits', rsa(Uint8Array.of(1), modulus(512))],
  ['a negative RSA key', rsa(Uint8Array.of(0xfe), modulus(512))],
  ['a key of P-521', key(oid(EC), oid('2b81040023'))],
  ['a key of Ed25519', key(oid('2b6570'))],
  ['a key whose algorithm is a curve', key(oid(P256))],
  ['a key for ECDH alone', key(oid('2b8104010c'), oid(P256))],
  ['a key of no curve', key(oid(EC))],
  [
    'a key of bits that are no bytes',
    withMember('key', seq(seq(oid(EC), oid(P256)), value(3, 1, 4, new Uint8Array(64)))),
  ],
  ['an extension of one member', withExtensions(extension('2a03'))],
  [
    'an extension of four members',
    withExtensions(extension('2a03', value(1, 0xff), value(4), value(4))),
  ],
  ['an extension that is critical by 1', withExtensions(extension('2a03', value(1, 1), value(4)))],
  ['an extension that is no bytes', withExtensions(extension('2a03', NULL))],
  ['basicConstraints of three members', constraints(value(1, 0xff), integer(0), integer(0))],
  ['basicConstraints of a length alone', constraints(integer(0))],
  ['basicConstraints of a negative length', constraints(value(1, 0xff), integer(0xff))],
  [
    'basicConstraints with a value behind them',
    withExtensions(extension(BASIC_CONSTRAINTS, value(4, seq(value(1, 0xff)), NULL))),
  ],
  ['keyUsage that is no bits', withExtensions(extension(KEY_USAGE, value(4, value(4, 7, 0x80))))],
  [
    'a signature that is no ECDSA-Sig-Value',
    rewritten(intel, (members) => members.splice(2, 1, parseDer(value(3, 0, 1)))),
  ],
] as const) {
  test(`a certificate is refused: ${what}`, () => {
    assert.throws(() => parseCertificate(der), { code: 'X509_CERTIFICATE' });
  });
}

/** The signature algorithm of a certificate. */
function algorithmOf(der: Uint8Array): Asn1Node {
  return children(parseDer(der), 'certificate')[1] ?? assert.fail();
}

for (const [what, der] of [
  ['one twice', withExtensions(extension('2a03', value(4)), extension('2a03', value(4)))],
  ['none in their list', withExtensions()],
] as const) {
  test(`extensions are refused: ${what}`, () => {
    assert.throws(() => parseCertificate(der), { code: 'X509_EXTENSION' });
  });
}

test('a certificate has at most 16 KiB', () => {
  const padded = (bytes: number) =>
    withExtensions(extension('2a03', value(4, new Uint8Array(bytes))));
  const most = padded(16 * 1024 - (padded(10_000).length - 10_000));
  assert.equal(most.length, 16 * 1024);
  assert.equal(parseCertificate(most).der, most);
  const more = padded(16 * 1024 - (padded(10_000).length - 10_000) + 1);
  assert.throws(() => parseCertificate(more), {
    code: 'X509_CERTIFICATE',
    message: 'expected a certificate of at most 16384 bytes, not 16385',
  });
});
