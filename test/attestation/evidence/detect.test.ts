import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, utf8 } from '../../../attestation/encoding/bytes.js';
import { detectEvidence } from '../../../attestation/evidence/detect.js';
import { vectorCases, vectorFile, withoutVectors } from '../../vectors.js';

test('evidence is told by its first bytes and its size', () => {
  const sized = (head: readonly number[], size = 0x4a0): Uint8Array =>
    concat(Uint8Array.from(head), new Uint8Array(size - head.length));
  const cases: readonly (readonly [string, Uint8Array, string])[] = [
    ['SNP report', sized([3, 0, 0, 0]), 'snp-report'],
    ['TDX quote', sized([4, 0, 2, 0, 0x81, 0, 0, 0], 5000), 'tdx-quote'],
    ['TDX quote of an SNP report’s size', sized([5, 0, 2, 0, 0x81, 0, 0, 0]), 'tdx-quote'],
    ['quote of version 6', sized([6, 0, 2, 0, 0x81, 0, 0, 0], 5000), 'tdx-quote'],
    ['SGX quote', sized([3, 0, 2, 0, 0, 0, 0, 0], 5000), 'tdx-quote'],
    ['HCL report', concat(utf8('HCLA'), new Uint8Array(2000)), 'azure-hcl'],
    ['CBOR map', Uint8Array.of(0xa1, 1, 2), 'cbor'],
  ];
  for (const [name, bytes, expected] of cases) assert.equal(detectEvidence(bytes), expected, name);
  for (const [bytes, likeness] of [
    [sized([3, 0, 0, 0], 0x49f), /not 1183 bytes that begin like an SEV-SNP report of version 3/],
    [sized([6, 0, 0, 0]), /not 1184 bytes that begin like none/],
    [concat(Uint8Array.of(0xff), sized([4, 0, 2, 0, 0x81])), /not 1185 bytes that begin like none/],
    [utf8(' {"a":1}'), /not JSON$/],
    [utf8('-----BEGIN CERTIFICATE-----'), /not PEM$/],
    [utf8('04000200\n81000000\n'), /not hexadecimal text/],
    [utf8('BAACAIEAAAA=\n'), /not base64 text/],
    [new Uint8Array(), /not an empty file$/],
  ] as const) {
    assert.throws(() => detectEvidence(bytes), { code: 'ENCODING_EVIDENCE', message: likeness });
  }
});

test('genuine evidence is told apart', { skip: withoutVectors }, () => {
  for (const name of vectorCases('snp')) {
    assert.equal(detectEvidence(vectorFile('snp', name, 'report.bin')), 'snp-report', name);
  }
  for (const name of vectorCases('tdx')) {
    assert.equal(detectEvidence(vectorFile('tdx', name, 'quote.bin')), 'tdx-quote', name);
  }
});
