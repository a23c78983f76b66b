import assert from 'node:assert/strict';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { verifySnp } from '../../../attestation/appraisal/verify-snp.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { pemBlocks } from '../../../attestation/encoding/pem.js';
import { parseCertificate } from '../../../attestation/encoding/x509.js';
import { amdEndorsements } from '../../../attestation/endorsements/amd.js';
import { parseAuxblob } from '../../../attestation/evidence/auxblob.js';
import { parseSnpReport } from '../../../attestation/evidence/snp-report.js';
import { createSimulator } from '../../../enclave/platform/simulator/simulator.js';
import { SIMULATED_MEASUREMENT } from '../../../enclave/platform/simulator/snp.js';
import { FORGED_AT } from '../../forge/judge-snp.js';
import { snpPolicy } from '../../forge/platform-policy.js';
import { simulatorKeys } from '../../vectors.js';

const digest = new Uint8Array(32).fill(0xd1);
const reportData = new Uint8Array(64).fill(0xa5);
const simulator = (reportVersion: 3 | 5) =>
  createSimulator({
    tee: 'sev-snp',
    reportVersion,
    launchPolicyDigest: digest,
    rootDirectory: simulatorKeys,
  });

describe('the SEV-SNP simulator', () => {
  for (const [version, product] of [
    [3, 'Milan'],
    [5, 'Turin'],
  ] as const) {
    test(`version ${version}: evidence that its own root affirms, and no other`, async () => {
      const platform = await simulator(version);
      assert.equal(platform.simulated, true);
      assert.equal(platform.tee, 'sev-snp');
      assert.equal(platform.rtmr3, undefined);
      const { report, endorsements } = await platform.attest(reportData);
      const table = parseAuxblob(endorsements ?? new Uint8Array());
      assert.deepEqual(
        table.map(({ kind }) => kind),
        ['vcek', 'ask', 'ark', 'crl'],
      );
      const supplied = amdEndorsements(table.map(({ data }) => data));
      const policy = snpPolicy({ measurements: [toHex(SIMULATED_MEASUREMENT)] });
      const roots = pemBlocks(platform.rootPem, 'CERTIFICATE');
      const expected = { reportData, hostData: digest };
      const result = await verifySnp(report, supplied, policy, { at: FORGED_AT, roots }, expected);
      assert.equal(result.affirmed, true, result.summary);
      assert.equal(result.simulated, true);
      assert.equal(result.claims['product'], product);
      const pinned = await verifySnp(report, supplied, policy, { at: FORGED_AT }, expected);
      assert.equal(pinned.code, 'SNP_ROOT_UNTRUSTED');
    });
  }

  test('every authority says that it is simulated', async () => {
    const { endorsements } = await (await simulator(3)).attest(reportData);
    const table = parseAuxblob(endorsements ?? new Uint8Array());
    for (const { data } of table.filter(({ kind }) => kind === 'ask' || kind === 'ark')) {
      assert.match(parseCertificate(data).subjectCommonName, / SIMULATED by Assay$/);
    }
  });

  test('HOST_DATA is what was pinned at launch', async () => {
    const platform = await simulator(3);
    assert.deepEqual((await platform.launchBinding()).configuration, digest);
    const { report } = await platform.attest(reportData);
    assert.deepEqual(parseSnpReport(report).hostData, digest);
  });

  test('the root stays the same for everyone who shares the directory', async () => {
    const [one, other] = await Promise.all([simulator(3), simulator(3)]);
    assert.equal(one.rootPem, other.rootPem);
  });

  test('keys are for their owner only', async () => {
    await simulator(3);
    const { mode } = await stat(join(simulatorKeys, 'amd-ark.rsa-4096.pkcs8'));
    assert.equal(mode & 0o777, 0o600);
  });

  for (const length of [0, 63, 65]) {
    test(`report data of ${length} bytes is refused`, async () => {
      const platform = await simulator(3);
      await assert.rejects(
        platform.attest(new Uint8Array(length)),
        (error) => error instanceof AssayError && error.code === 'PLATFORM_REPORT_DATA',
      );
    });
  }

  test('a launch policy digest of another length is refused', async () => {
    await assert.rejects(
      createSimulator({
        tee: 'sev-snp',
        launchPolicyDigest: new Uint8Array(48),
        rootDirectory: simulatorKeys,
      }),
      (error) => error instanceof AssayError && error.code === 'PLATFORM_HOST_DATA',
    );
  });

  test('a folder that cannot hold its keys is named', async () => {
    for (const folder of [fileURLToPath(import.meta.url), '/proc/none']) {
      const rootDirectory = join(folder, 'below');
      await assert.rejects(
        createSimulator({ tee: 'sev-snp', launchPolicyDigest: digest, rootDirectory }),
        { code: 'CONFIG_PLATFORM', message: /platform\.rootDirectory/ },
        folder,
      );
    }
  });
});
