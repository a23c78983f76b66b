import assert from 'node:assert/strict';
import { test } from 'node:test';
import { forgetCertificates, startCrl } from '../../../attestation/appraisal/certified.js';
import { parseCertificate } from '../../../attestation/encoding/x509.js';
import { forgeSnp } from '../../forge/amd.js';

const CODES = {
  issuer: 'SNP_CRL_ISSUER',
  signature: 'SNP_CRL_SIGNATURE',
  validity: 'SNP_CRL_VALIDITY',
  extension: 'SNP_CRL_EXTENSION',
} as const;

const forged = await forgeSnp();
const [, , ark] = forged.endorsements.certificates.map(parseCertificate);
const list = forged.endorsements.crls[0] ?? new Uint8Array();

/** The list as an object, once it is known whether its signature holds. */
async function started(der: Uint8Array) {
  const { list, signature } = startCrl(der, ark ?? assert.fail(), CODES);
  return { list, holds: await signature.holds };
}

test('a list that was signed is remembered, by its content', async () => {
  forgetCertificates();
  const first = await started(list);
  assert.deepEqual(await started(list), { list: first.list, holds: true });
  assert.equal((await started(new Uint8Array(list))).list, first.list);
});

test('a list that was not signed is not remembered', async () => {
  const changed = new Uint8Array(list);
  changed[changed.length - 1] = (changed.at(-1) ?? 0) ^ 1;
  const [first, second] = [await started(changed), await started(changed)];
  assert.deepEqual([first.holds, second.holds], [false, false]);
  assert.notEqual(first.list, second.list);
});
