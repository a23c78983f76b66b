import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { TdxCache } from '../../attestation/appraisal/tdx-cache.js';
import { verifyTdx } from '../../attestation/appraisal/verify-tdx.js';
import { fromHex, toHex } from '../../attestation/encoding/bytes.js';
import { forgeTdx, type IntelFault } from '../forge/intel.js';
import { all, each, set } from '../forge/json.js';
import { repositoryRoot } from '../vectors.js';
import { python, withoutPython } from './peers.js';

/* What platform, module and quoting enclave amount to, in every combination, under an Intel in a box. */

const AT = new Date('2026-11-21T00:00:00Z');
const PLATFORM = [
  ...['UpToDate', 'SWHardeningNeeded', 'ConfigurationNeeded', 'ConfigurationAndSWHardeningNeeded'],
  ...['OutOfDate', 'OutOfDateConfigurationNeeded', 'Revoked'],
];
const PART = ['UpToDate', 'OutOfDate', 'Revoked'];
/** TEE_TCB_SVN2 of a TD that was launched under module SVN 3; Intel's latest is 4. */
const LOADED = { 'TD 1.0': undefined, same: '030103', newer: '050103', 'version 0': '050003' };
const svn = (hex: string) => fromHex(hex.padEnd(32, '0'));

function fault(platform: string, module: string, qe: string, loaded?: string): IntelFault {
  return {
    version: loaded === undefined ? 4 : 5,
    report: (report) => ({
      ...report,
      teeTcbSvn: svn('030103'),
      td15:
        loaded === undefined
          ? undefined
          : { teeTcbSvn2: svn(loaded), mrServiceTd: new Uint8Array(48) },
    }),
    tcbInfo: all(
      each('tdxModuleIdentities.0.tcbLevels', ([level]) => [level ?? null, level ?? null]),
      set('tdxModuleIdentities.0.tcbLevels.1.tcb.isvsvn', 2),
      set('tdxModuleIdentities.0.tcbLevels.1.tcbStatus', module),
      set('tcbLevels.0.tcbStatus', platform),
    ),
    qeIdentity: set('tcbLevels.0.tcbStatus', qe),
  };
}

const missing = (): string | false =>
  withoutPython ||
  (spawnSync(python, ['-c', 'import dcap_qvl'], { stdio: 'ignore' }).status === 0
    ? false
    : 'the interpreter has no dcap-qvl');

test('every combination of statuses amounts to what dcap-qvl 0.7.0 says', {
  skip: missing(),
}, async () => {
  const cases = PLATFORM.flatMap((platform) =>
    PART.flatMap((module) =>
      PART.flatMap((qe) =>
        Object.entries(LOADED).map(([name, loaded]) => ({
          name: `platform ${platform}, module ${module}, QE ${qe}, loaded ${name}`,
          fault: fault(platform, module, qe, loaded),
        })),
      ),
    ),
  );
  const forged = await Promise.all(cases.map((each) => forgeTdx(each.fault)));
  const questions = forged.map(({ quote, collateral, roots: [root = new Uint8Array()] }) => ({
    quote: toHex(quote),
    collateral,
    root: toHex(root),
    at: AT.getTime() / 1000,
  }));
  const script = join(repositoryRoot, 'test', 'interop', 'verify_quotes.py');
  const { stdout, stderr } = spawnSync(python, [script], {
    input: JSON.stringify(questions),
    maxBuffer: 2 ** 26,
  });
  const answers = JSON.parse(stdout.toString() || assert.fail(stderr.toString())) as string[];
  for (const [i, { quote, collateral, roots }] of forged.entries()) {
    const options = { at: AT, roots, cache: new TdxCache() };
    const { tcb } = await verifyTdx(quote, collateral, {}, options);
    // The peer states no revoked status, it refuses the quote for it.
    const peers = /TCB status is invalid: Revoked/.test(answers[i] ?? '') ? 'Revoked' : answers[i];
    assert.equal(tcb?.status, peers, cases[i]?.name);
  }
  assert.equal(answers.length, 252);
});
