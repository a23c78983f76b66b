import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';
import { fromUtf8 } from '../../attestation/encoding/bytes.js';
import { parseHclReport } from '../../attestation/evidence/hcl.js';

/** Has an HCL report of a genuine TDX guest on Azure among its test data. */
const CRATE = { name: 'az-cvm-vtpm', version: '0.8.2' };
/** REPORTDATA within the TDREPORT, which is behind the header. */
const REPORT_DATA = 0x20 + 128;

const folder = mkdtempSync(join(tmpdir(), 'assay-hcl-'));
after(() => rmSync(folder, { recursive: true }));
mkdirSync(join(folder, 'src'));
writeFileSync(join(folder, 'src', 'lib.rs'), '');
writeFileSync(
  join(folder, 'Cargo.toml'),
  `[package]\nname = "fetch"\nversion = "0.0.0"\n[dependencies]\n${CRATE.name} = "=${CRATE.version}"\n`,
);
const { status, stdout } = spawnSync('cargo', ['metadata', '--format-version', '1', '--quiet'], {
  cwd: folder,
  timeout: 240_000,
  maxBuffer: 2 ** 26,
});
const skip = status === 0 ? false : 'there is no Cargo here that could fetch the report';

test('the HCL report of a genuine TDX guest covers its claims', { skip }, () => {
  const { packages } = JSON.parse(stdout.toString()) as {
    readonly packages: readonly { readonly name: string; readonly manifest_path: string }[];
  };
  const crate = packages.find(({ name }) => name === CRATE.name) ?? assert.fail();
  const path = join(dirname(crate.manifest_path), 'test', 'hcl-report-tdx.bin');
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
