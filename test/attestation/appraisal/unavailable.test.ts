import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { type AttestationResult, verdictOf } from '../../../attestation/appraisal/result.js';
import { TdxCache } from '../../../attestation/appraisal/tdx-cache.js';
import { verifySnp } from '../../../attestation/appraisal/verify-snp.js';
import { verifyTdx } from '../../../attestation/appraisal/verify-tdx.js';
import { parseCertificate } from '../../../attestation/encoding/x509.js';
import { importSubjectKey } from '../../../attestation/encoding/x509-key.js';
import { forgeSnp } from '../../forge/amd.js';
import { forgeTdx } from '../../forge/intel.js';
import { FORGED_AT } from '../../forge/judge-snp.js';
import { tdxPolicy } from '../../forge/platform-policy.js';
import { referenceValues } from '../../forge/tdx-case.js';

const snp = await forgeSnp();
const tdx = await forgeTdx();

const cache = new TdxCache();
const TDX_AT = new Date('2026-11-21T00:00:00Z');

async function appraiseSnp(): Promise<AttestationResult> {
  return verifySnp(snp.report, snp.endorsements, {}, { at: FORGED_AT, roots: snp.roots });
}

async function appraiseTdx(): Promise<AttestationResult> {
  const policy = tdxPolicy(referenceValues());
  const options = { at: TDX_AT, roots: tdx.roots, cache };
  return verifyTdx(tdx.quote, tdx.collateral, policy, options);
}

/** As on a page of an insecure origin. */
const withoutWebCrypto = (t: TestContext): unknown =>
  t.mock.getter(crypto, 'subtle', () => undefined);
/** As where the platform lacks the algorithm. */
const withoutAlgorithm = (t: TestContext): unknown =>
  t.mock.method(crypto.subtle, 'importKey', async () => {
    throw new DOMException('no such algorithm', 'NotSupportedError');
  });

/** As where keys are looked at when they are used: Deno takes in points off the curve. */
const withoutAnswers = (t: TestContext): unknown =>
  t.mock.method(crypto.subtle, 'verify', async () => {
    throw new TypeError('Invalid key format');
  });

for (const [tee, appraise] of [
  ['SEV-SNP', appraiseSnp],
  ['TDX', appraiseTdx],
] as const) {
  for (const [what, take] of [
    ['WebCrypto', withoutWebCrypto],
    ['the algorithm', withoutAlgorithm],
    ['its answers', withoutAnswers],
  ] as const) {
    test(`${tee}: without ${what} genuine evidence could not be checked`, async (t) => {
      take(t);
      const result = await appraise();
      assert.equal(result.code, 'CRYPTO_UNAVAILABLE');
      assert.equal(result.authentic, false);
      assert.equal(verdictOf(result), 'unchecked');
      assert.match(result.summary, /could not be checked/);
    });
  }
  test(`${tee}: it is authentic with both, whatever could not be checked before`, async () => {
    assert.equal((await appraise()).authentic, true);
  });
}

const failing = (): never => {
  throw new TypeError('Invalid key format');
};

for (const [how, verify] of [
  ['throws', failing],
  ['rejects', async () => failing()],
] as const) {
  for (const [what, p256] of [
    ['at hand', () => verify],
    ['on its way', async () => verify],
  ] as const) {
    test(`TDX: a verifier with a key ${what} that ${how} has not checked`, async () => {
      const options = { at: TDX_AT, roots: tdx.roots, cache: new TdxCache(), p256 };
      const result = await verifyTdx(tdx.quote, tdx.collateral, {}, options);
      assert.equal(result.code, 'CRYPTO_UNAVAILABLE');
      assert.equal(verdictOf(result), 'unchecked');
    });
  }
}

test('a certified key that is no point of its curve is a fault of the certificate', async () => {
  const [vek = new Uint8Array()] = snp.endorsements.certificates;
  const publicKey = new Uint8Array(97).fill(1);
  publicKey[0] = 4;
  const broken = { ...parseCertificate(vek), publicKey };
  await assert.rejects(importSubjectKey(broken), { code: 'X509_CERTIFICATE' });
});
