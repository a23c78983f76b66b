import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { amdEndorsements, crlUrl, vcekUrl } from '../../../attestation/endorsements/amd.js';
import { SIMULATED_CHIPS } from '../../../enclave/platform/simulator/snp.js';
import { forgeSnp } from '../../forge/amd.js';

const { tcb } = SIMULATED_CHIPS.Milan;
const forged = await forgeSnp();

/** A sequence of 128 bytes that begin so: of fewer it would not be taken for DER. */
function sequenceOf(...content: readonly number[]): Uint8Array {
  const der = new Uint8Array(131);
  der.set([0x30, 0x81, 0x80, ...content]);
  return der;
}

describe('URLs of the Key Distribution Service', () => {
  const base = 'https://kds.example';
  const id = Uint8Array.of(0xab, 0x01);
  for (const [actual, expected] of [
    [
      vcekUrl(base, 'Milan', id, tcb),
      '/vcek/v1/Milan/ab01?blSPL=4&teeSPL=0&snpSPL=24&ucodeSPL=219',
    ],
    [
      vcekUrl(base, 'Turin', id, SIMULATED_CHIPS.Turin.tcb),
      '/vcek/v1/Turin/ab01?fmcSPL=1&blSPL=1&teeSPL=1&snpSPL=4&ucodeSPL=81',
    ],
    [crlUrl(base, 'VCEK', 'Genoa'), '/vcek/v1/Genoa/crl'],
    [crlUrl(base, 'VLEK', 'Genoa'), '/vlek/v1/Genoa/crl'],
  ] as const) {
    test(expected, () => assert.equal(actual, base + expected));
  }
});

describe('endorsements in any form and order', () => {
  test('DER, PEM, lists and several in one file', async () => {
    const { certificates, crls } = forged.endorsements;
    const [vcek = new Uint8Array(), ask = new Uint8Array(), ark = new Uint8Array()] = certificates;
    const list = crls[0] ?? new Uint8Array();
    const text = `a comment\n${toPem(ark, 'CERTIFICATE')}${toPem(list, 'X509 CRL')}${toPem(ask, 'CERTIFICATE')}`;
    const sorted = amdEndorsements([new TextEncoder().encode(text), list, vcek]);
    assert.deepEqual(sorted, { certificates: [ark, ask, vcek], crls: [list, list] });
    const pair = new TextEncoder().encode(toPem(ark, 'CERTIFICATE') + toPem(list, 'X509 CRL'));
    assert.deepEqual(amdEndorsements([pair]), { certificates: [ark], crls: [list] });
  });

  for (const [name, comment] of [
    ['longer than the block', 'Modulus: 00:d0:8a\n'.repeat(1000)],
    ['in Latin-1', 'Zertifikat für AMD\n'],
    ['that begins as DER does', '0: the root\n'],
  ] as const) {
    test(`PEM below a comment ${name}`, () => {
      const [ark = new Uint8Array()] = forged.roots;
      const blob = Buffer.from(comment + toPem(ark, 'CERTIFICATE'), 'latin1');
      assert.deepEqual(amdEndorsements([blob]), { certificates: [ark], crls: [] });
    });
  }

  for (const [name, blob] of Object.entries({
    empty: new Uint8Array(),
    text: new TextEncoder().encode('hello'),
    'a header that ends': Uint8Array.of(0x30),
    'a length without end': Uint8Array.of(0x30, 0x80),
    'an empty sequence': Uint8Array.of(0x30, 0),
    'a short sequence': Uint8Array.of(0x30, 4, 0x30, 2, 5, 0),
    'a length without end within': sequenceOf(0x30, 0x80),
    'a sequence of something else': sequenceOf(0x30, 3, 4, 1, 0),
    'PEM of something else': new TextEncoder().encode('-----BEGIN PRIVATE KEY-----'),
  })) {
    test(`${name} is refused`, () => {
      assert.throws(
        () => amdEndorsements([blob]),
        (error) => error instanceof AssayError && error.code === 'X509_FORMAT',
      );
    });
  }
});

test('a blob of more than 2 MiB is refused, whatever it is', () => {
  const padded = new Uint8Array(2 ** 21 + 1);
  padded.set(forged.endorsements.crls[0] ?? new Uint8Array());
  assert.equal(amdEndorsements([padded.subarray(0, -1)]).crls.length, 1);
  assert.throws(() => amdEndorsements([padded]), { code: 'X509_FORMAT', message: /2097152/ });
});

test('a blob is sorted by its first headers, and the rest of it is not read', () => {
  const whole = forged.endorsements.crls[0] ?? new Uint8Array();
  const broken = new Uint8Array(whole).fill(0xff, 16);
  assert.deepEqual(amdEndorsements([broken]), { certificates: [], crls: [broken] });
});
