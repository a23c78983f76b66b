import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, utf8 } from '../../../attestation/encoding/bytes.js';
import { detectEvidence } from '../../../attestation/evidence/detect.js';
import { vectorCases, vectorFile, withoutVectors } from '../../vectors.js';

test('evidence is told by its first bytes and its size', () => {
  const sized = (head: readonly number[], size = 0x4a0): Uint8Array =>
    concat(Uint8Array.from(head), new Uint8Array(size - head.length));
  const cases: readonly (readonly [string, Uint8Array, string | undefined])[] = [
    ['SNP report', sized([3, 0, 0, 0]), 'snp-report'],
    ['SNP report of another size', sized([3, 0, 0, 0], 0x49f), undefined],
    ['SNP report of version 6', sized([6, 0, 0, 0]), undefined],
    ['TDX quote', sized([4, 0, 2, 0, 0x81, 0, 0, 0], 5000), 'tdx-quote'],
    ['TDX quote of an SNP report’s size', sized([5, 0, 2, 0, 0x81, 0, 0, 0]), 'tdx-quote'],
    ['SGX quote', sized([3, 0, 2, 0, 0, 0, 0, 0], 5000), 'tdx-quote'],
    ['HCL report', concat(utf8('HCLA'), new Uint8Array(2000)), 'azure-hcl'],
    ['CBOR map', Uint8Array.of(0xa1, 1, 2), 'cbor'],
    ['JSON', utf8('{"a":1}'), undefined],
    ['nothing', new Uint8Array(), undefined],
  ];
  for (const [name, bytes, expected] of cases) assert.equal(detectEvidence(bytes), expected, name);
});

test('genuine evidence is told apart', { skip: withoutVectors }, () => {
  for (const name of vectorCases('snp')) {
    assert.equal(detectEvidence(vectorFile('snp', name, 'report.bin')), 'snp-report', name);
  }
  for (const name of vectorCases('tdx')) {
    assert.equal(detectEvidence(vectorFile('tdx', name, 'quote.bin')), 'tdx-quote', name);
  }
});
