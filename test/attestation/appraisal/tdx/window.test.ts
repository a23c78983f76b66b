import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TdxCache } from '../../../../attestation/appraisal/tdx-cache.js';
import { verifyTdx } from '../../../../attestation/appraisal/verify-tdx.js';
import type { CertificateTemplate } from '../../../../enclave/platform/simulator/certificates.js';
import { forgeTdx, type IntelFault } from '../../../forge/intel.js';
import { all, set } from '../../../forge/json.js';
import { tdxPolicy } from '../../../forge/platform-policy.js';

const [FROM, UNTIL] = ['2026-11-20T00:00:00Z', '2026-11-22T00:00:00Z'];
const list = { thisUpdate: new Date(FROM), nextUpdate: new Date(UNTIL) };
const document = all(set('issueDate', FROM), set('nextUpdate', UNTIL));
const template = (old: CertificateTemplate): CertificateTemplate => ({
  ...old,
  notBefore: new Date(FROM),
  notAfter: new Date(UNTIL),
});

/** One part that holds for two days, where all others hold for decades. */
const PARTS: Readonly<Record<string, IntelFault>> = {
  'root CA': { certificates: { root: { template } } },
  'PCK CA': { certificates: { platformCa: { template } } },
  'PCK certificate': { certificates: { pck: { template } } },
  'TCB signing certificate': { certificates: { tcbSigning: { template } } },
  'root CA CRL': { rootCrl: list },
  'PCK CRL': { pckCrl: list },
  'TCB info': { tcbInfo: document },
  'QE identity': { qeIdentity: document },
};

test('the collateral of a verdict holds for as long as every part of it does', async (t) => {
  for (const [part, fault] of Object.entries(PARTS)) {
    await t.test(part, async () => {
      const { quote, collateral, roots } = await forgeTdx(fault);
      const options = { at: new Date('2026-11-21T00:00:00Z'), roots, cache: new TdxCache() };
      const { claims } = await verifyTdx(quote, collateral, tdxPolicy({}), options);
      const [from, until] = [new Date(FROM).toISOString(), new Date(UNTIL).toISOString()];
      assert.deepEqual(claims['collateral'], { from, until });
    });
  }
});
