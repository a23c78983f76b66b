import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromUtf8 } from '../../attestation/encoding/bytes.js';
import { parseHclReport } from '../../attestation/evidence/hcl.js';
import { fetchCrate } from './crate.js';

/** REPORTDATA within the TDREPORT, which is behind the header. */
const REPORT_DATA = 0x20 + 128;

/** Has an HCL report of a genuine TDX guest on Azure among its test data. */
const { root, missing: skip } = fetchCrate('az-cvm-vtpm', '0.8.2');

test('the HCL report of a genuine TDX guest covers its claims', { skip }, () => {
  const path = join(root, 'test', 'hcl-report-tdx.bin');
  const bytes = new Uint8Array(readFileSync(path));
  const { hardware, report, runtimeClaims } = parseHclReport(bytes);
  assert.equal(hardware, 'tdx');
  assert.equal(report.length, 1024);
  const claims = JSON.parse(fromUtf8(runtimeClaims));
  assert.deepEqual(
    claims.keys.map(({ kid }: { readonly kid: string }) => kid),
    ['HCLAkPub', 'HCLEkPub'],
  );
  const claimsStart = bytes.indexOf('{'.charCodeAt(0), 0x4d0);
  for (const at of [REPORT_DATA, REPORT_DATA + 63, claimsStart + 20]) {
    const changed = bytes.map((byte, i) => (i === at ? byte ^ 1 : byte));
    assert.throws(() => parseHclReport(changed), { code: 'HCL_BINDING' }, `byte ${at}`);
  }
});
