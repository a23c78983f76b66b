import assert from 'node:assert/strict';
import { test } from 'node:test';
import { appraiseBundle } from '../../../attestation/appraisal/appraise.js';
import { appraiseProof } from '../../../attestation/appraisal/appraise-proof.js';
import { authenticateSnp } from '../../../attestation/appraisal/authenticate-snp.js';
import {
  authenticateTdx,
  verifyTdxSignatures,
} from '../../../attestation/appraisal/authenticate-tdx.js';
import { verifySnp } from '../../../attestation/appraisal/verify-snp.js';
import { verifyTdx } from '../../../attestation/appraisal/verify-tdx.js';
import { forgeSnp } from '../../forge/amd.js';
import { forgeTdx } from '../../forge/intel.js';

const snp = await forgeSnp();
const tdx = await forgeTdx();
const at = new Date('yesterday, or so');

const appraisals: readonly (readonly [name: string, appraise: () => Promise<unknown>])[] = [
  ['verifySnp', () => verifySnp(snp.report, snp.endorsements, {}, { at, roots: snp.roots })],
  [
    'authenticateSnp',
    () => authenticateSnp(snp.report, snp.endorsements, { at, roots: snp.roots }),
  ],
  ['verifyTdx', () => verifyTdx(tdx.quote, tdx.collateral, {}, { at, roots: tdx.roots })],
  ['authenticateTdx', () => authenticateTdx(tdx.quote, tdx.collateral, { at, roots: tdx.roots })],
  ['verifyTdxSignatures', () => verifyTdxSignatures(tdx.quote, { at, roots: tdx.roots })],
  ['appraiseBundle', () => appraiseBundle(new Uint8Array(), { version: 1 }, { at })],
  ['appraiseProof', () => appraiseProof(new Uint8Array(), { version: 1 }, { at })],
];

for (const [name, appraise] of appraisals) {
  test(`${name} takes no invalid Date for the time of the appraisal`, async () => {
    await assert.rejects(appraise, { name: 'AssayError', code: 'USAGE_TIME' });
  });
}
