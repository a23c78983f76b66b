import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifyTdx } from '../../../attestation/appraisal/verify-tdx.js';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { pemBlocks } from '../../../attestation/encoding/pem.js';
import { replayRuntimeLog } from '../../../attestation/evidence/event-log.js';
import { createSimulator } from '../../../enclave/platform/simulator/simulator.js';
import { extendAll } from '../../forge/enclave.js';
import { tdxPolicy } from '../../forge/platform-policy.js';
import { simulatorKeys as rootDirectory } from '../../vectors.js';

const launchPolicyDigest = new Uint8Array(48).fill(7);
const at = new Date('2026-11-21T00:00:00Z');

test('a simulated quote is authentic under its own root and under no other', async () => {
  const simulator = await createSimulator({ tee: 'tdx', launchPolicyDigest, rootDirectory });
  const reportData = new Uint8Array(64).fill(9);
  const { report, endorsements } = await simulator.attest(reportData);
  const policy = tdxPolicy({ allowUnknown: ['mrTd', 'rtmr0', 'rtmr1', 'rtmr2'] });
  const roots = pemBlocks(simulator.rootPem, 'CERTIFICATE');
  const expectations = { reportData, mrConfigId: launchPolicyDigest, rtmr3: new Uint8Array(48) };
  const result = await verifyTdx(report, endorsements, policy, { at, roots }, expectations);
  assert.equal(result.affirmed, true, result.summary);
  assert.equal(result.simulated, true);
  assert.equal(result.tcb?.status, 'UpToDate');
  const pinned = await verifyTdx(report, endorsements, policy, { at });
  assert.equal(pinned.code, 'TDX_ROOT_UNTRUSTED');
  assert.equal(pinned.authentic, false);
});

test('a simulated TD extends RTMR3 and keeps MRCONFIGID', async () => {
  const simulator = await createSimulator({ tee: 'tdx', launchPolicyDigest, rootDirectory });
  const events = [
    { type: 'launch-policy', content: launchPolicyDigest },
    { type: 'model', content: new Uint8Array(32).fill(1) },
  ];
  await extendAll(simulator, events);
  const { report, endorsements } = await simulator.attest(new Uint8Array(64));
  const roots = pemBlocks(simulator.rootPem, 'CERTIFICATE');
  const options = { at, roots };
  const expected = replayRuntimeLog(events);
  const result = await verifyTdx(report, endorsements, tdxPolicy({}), options, {
    rtmr3: expected,
  });
  assert.equal(result.claims['rtmr3'], toHex(expected));
  assert.deepEqual(
    result.checks.filter(({ outcome }) => outcome === 'fail').map(({ id }) => id),
    ['tdx.measurement'],
  );
  assert.deepEqual((await simulator.launchBinding()).configuration, launchPolicyDigest);
  const reordered = await verifyTdx(report, endorsements, tdxPolicy({}), options, {
    rtmr3: replayRuntimeLog([...events].reverse()),
  });
  assert.ok(reordered.checks.some(({ id, outcome }) => id === 'tdx.rtmr3' && outcome === 'fail'));
});
