import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  forgetCertificates,
  knownCertificate,
  knownList,
  startCrl,
  startLink,
} from '../../../attestation/appraisal/certified.js';
import { parseCertificate } from '../../../attestation/encoding/x509.js';
import { forgeSnp } from '../../forge/amd.js';

const CODES = {
  issuer: 'SNP_CRL_ISSUER',
  signature: 'SNP_CRL_SIGNATURE',
  validity: 'SNP_CRL_VALIDITY',
  extension: 'SNP_CRL_EXTENSION',
} as const;

const forged = await forgeSnp();
const [, ask = new Uint8Array(), root = new Uint8Array()] = forged.endorsements.certificates;
const ark = parseCertificate(root);
const list = forged.endorsements.crls[0] ?? new Uint8Array();

/** The list as an object, once it is known whether its signature holds. */
async function started(der: Uint8Array) {
  const { list, signature } = startCrl(knownList(der), ark, CODES);
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

/** A copy with a bit of the signature changed, and its end as it was. */
function forgery(der: Uint8Array): Uint8Array {
  const changed = new Uint8Array(der);
  changed[changed.length - 100] = (changed.at(-100) ?? 0) ^ 1;
  return changed;
}

test('a forged list that ends as a remembered one is judged by its own signature', async () => {
  assert.equal((await started(list)).holds, true);
  assert.equal((await started(forgery(list))).holds, false);
});

test('a forged certificate that ends as a known one is judged by its own signature, and not taken for it', async () => {
  const isSigned = (der: Uint8Array) =>
    startLink({ subject: knownCertificate(der), issuer: ark }).holds;
  assert.equal(await isSigned(ask), true);
  assert.equal(await isSigned(forgery(ask)), false);
  assert.equal(await isSigned(ask), true);
});
