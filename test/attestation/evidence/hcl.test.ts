import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { isHclReport, parseHclReport } from '../../../attestation/evidence/hcl.js';
import { forgeSnp } from '../../forge/amd.js';
import { type HclHeader, hclReport } from '../../forge/hcl.js';
import { vectorFile, withoutVectors } from '../../vectors.js';

const { report } = await forgeSnp();
const CLAIMS = '{"keys":[],"vm-configuration":{}}';

test('the report and the claims come out as they went in', () => {
  const bytes = hclReport(report, CLAIMS);
  assert.equal(isHclReport(bytes), true);
  const parsed = parseHclReport(bytes);
  assert.equal(new TextDecoder().decode(parsed.runtimeClaims), CLAIMS);
  assert.deepEqual(parsed.report.subarray(0x90), report.subarray(0x90));
});

test('a report is no HCL report', () => assert.equal(isHclReport(report), false));

test('the genuine HCL report holds its report', { skip: withoutVectors }, () => {
  const file = (name: string): Uint8Array =>
    new Uint8Array(vectorFile('snp', 'milan-v3-azure-hcl', name));
  const parsed = parseHclReport(file('hcl_report.bin'));
  assert.deepEqual(new Uint8Array(parsed.report), file('report.bin'));
  const claims = JSON.parse(new TextDecoder().decode(parsed.runtimeClaims));
  assert.deepEqual(
    claims.keys.map(({ kid }: { kid: string }) => kid),
    ['HCLAkPub', 'HCLEkPub'],
  );
});

describe('HCL reports that are refused', () => {
  const cases: readonly (readonly [string, HclHeader, string])[] = [
    ['another magic', { magic: 1 }, 'HCL_FORMAT'],
    ['version 3', { version: 3 }, 'HCL_FORMAT'],
    ['a status that is an error', { status: 1 }, 'HCL_FORMAT'],
    ['a reserved word that is set', { reserved: 1 }, 'HCL_FORMAT'],
    ['data version 2', { dataVersion: 2 }, 'HCL_FORMAT'],
    ['a size that is too small', { size: 100 }, 'HCL_FORMAT'],
    ['a data size that contradicts the claims', { dataSize: 1 }, 'HCL_FORMAT'],
    ['claims beyond the end', { claimsSize: 0xffffffff }, 'HCL_FORMAT'],
    ['a report of an unknown type', { type: 7 }, 'HCL_TYPE'],
    ['another hash', { hash: 2 }, 'HCL_TYPE'],
    ['bytes behind the claims', { trailing: Uint8Array.of(0, 1) }, 'HCL_FORMAT'],
  ];
  for (const [name, header, code] of cases) {
    test(name, () => {
      assert.throws(
        () => parseHclReport(hclReport(report, CLAIMS, header)),
        (error) => error instanceof AssayError && error.code === code,
      );
    });
  }

  for (const [name, offset] of [
    ['other claims', 0x4d6],
    ['another REPORT_DATA', 0x70],
    ['REPORT_DATA that goes on behind the digest', 0x95],
  ] as const) {
    test(`${name} than REPORT_DATA covers`, () => {
      const bytes = hclReport(report, CLAIMS);
      bytes[offset] = (bytes[offset] ?? 0) ^ 1;
      assert.throws(
        () => parseHclReport(bytes),
        (error) => error instanceof AssayError && error.code === 'HCL_BINDING',
      );
    });
  }
});

test('a TDREPORT is followed by zeros, up to the size of an SEV-SNP report', () => {
  const tdReport = new Uint8Array(1024).fill(7);
  const bytes = hclReport(tdReport, CLAIMS, { type: 4 });
  const parsed = parseHclReport(bytes);
  assert.deepEqual([parsed.hardware, parsed.report.length], ['tdx', 1024]);
  for (const offset of [0x20 + 1024, 0x20 + 1183]) {
    const changed = new Uint8Array(bytes);
    changed[offset] = 1;
    assert.throws(() => parseHclReport(changed), {
      code: 'HCL_FORMAT',
      message: 'expected zeros behind the TDREPORT',
    });
  }
});
