import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { pemBlocks } from '../../../attestation/encoding/pem.js';
import {
  encodeLaunchPolicy,
  launchPolicyDigest,
  parseLaunchPolicy,
} from '../../../attestation/evidence/launch-policy.js';
import { parseSnpReport } from '../../../attestation/evidence/snp-report.js';
import { parseConfig } from '../../../src/config.js';
import { openPlatform } from '../../../src/service/platform.js';
import { simulatorKeys } from '../../vectors.js';
import { temporaryFolder } from '../hub/setting.js';

const open = (platform: object, config: object = {}) =>
  openPlatform(
    parseConfig(
      {
        models: [{ name: 'm', path: 'm.onnx' }],
        platform: { kind: 'simulator', ...platform },
        ...config,
      },
      {},
      '/',
    ),
  );

for (const reportVersion of [3, 5]) {
  test(`a simulator has reports of the version that the configuration says: ${reportVersion}`, async () => {
    const { platform } = await open({ reportVersion, rootDirectory: simulatorKeys });
    const { report } = await platform.attest(new Uint8Array(64));
    assert.equal(parseSnpReport(report).version, reportVersion);
  });
}

for (const { tee, pinned } of [
  { tee: 'sev-snp', pinned: 'd1'.repeat(32) },
  { tee: 'tdx', pinned: 'd2'.repeat(48) },
]) {
  test(`a simulator of ${tee} was launched with what the configuration says`, async () => {
    const { platform } = await open({ tee, pinned, rootDirectory: simulatorKeys });
    assert.equal(platform.tee, tee);
    assert.equal(toHex((await platform.launchBinding()).configuration), pinned);
  });
}

for (const tee of ['sev-snp', 'tdx']) {
  test(`a simulator of ${tee} was launched with the digest of the launch policy, or zeros`, async (t) => {
    const launchPolicy = join(temporaryFolder(t), 'launch-policy.json');
    const policy = { version: 1, models: [{ graph: 'ab'.repeat(32) }] };
    writeFileSync(launchPolicy, JSON.stringify(policy));
    const { hostData, mrConfigId } = launchPolicyDigest(
      encodeLaunchPolicy(parseLaunchPolicy(policy)),
    );
    const pinned = tee === 'tdx' ? mrConfigId : hostData;
    const bound = async (config: object) => {
      const { platform } = await open({ tee, rootDirectory: simulatorKeys }, config);
      return (await platform.launchBinding()).configuration;
    };
    assert.deepEqual(await bound({ launchPolicy }), pinned);
    assert.deepEqual(await bound({}), new Uint8Array(pinned.length));
  });
}

test('a simulator has its root in the folder that the configuration names', async (t) => {
  const rootOf = async (rootDirectory: string) =>
    pemBlocks((await open({ rootDirectory })).simulatedRoot ?? '', 'CERTIFICATE');
  const [one, other] = [temporaryFolder(t), temporaryFolder(t)];
  const first = await rootOf(one);
  assert.notDeepEqual(await rootOf(other), first);
  assert.deepEqual(await rootOf(one), first);
});
