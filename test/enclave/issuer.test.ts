import assert from 'node:assert/strict';
import { test } from 'node:test';
import { claimsEntry, manifestEntry } from '../../attestation/receipt/claims.js';
import { verifyConsistency } from '../../attestation/receipt/consistency.js';
import { verifyReceipt } from '../../attestation/receipt/receipt.js';
import { decodeTreeHead, verifyTreeHead } from '../../attestation/receipt/tree-head.js';
import { Issuer } from '../../enclave/issuer.js';
import { makeSigningKey, type SigningKey } from '../../enclave/signing-key.js';
import { issueClaims } from '../forge/issue.js';

const key = makeSigningKey();
const first = manifestEntry(new Uint8Array(32).fill(1));
const claims = (i: number): Uint8Array => Uint8Array.of(i & 0xff, i >> 8);

/** The key, counting its signatures. */
function countingKey(): { readonly key: SigningKey; signatures: number } {
  const counting = {
    signatures: 0,
    key: {
      ...key,
      sign: (bytes: Uint8Array) => {
        counting.signatures += 1;
        return key.sign(bytes);
      },
    },
  };
  return counting;
}

test('one alone is signed at once, and every receipt verifies', async () => {
  const issuer = await Issuer.start(key, first);
  for (let i = 1; i <= 10; i++) {
    const receipt = await issueClaims(issuer, claims(i));
    const { index, head } = await verifyReceipt(receipt, claimsEntry(claims(i)), key.publicKey);
    assert.equal(index, i);
    assert.equal(head.size, i + 1);
  }
});

test('what comes in one turn of the event loop shares a head, what comes in a later one has its own', async () => {
  const counting = countingKey();
  const issuer = await Issuer.start(counting.key, first);
  const issue = (i: number): Promise<Uint8Array> => issueClaims(issuer, claims(i));
  const together = Array.from({ length: 500 }, (_, i) => issue(i));
  await new Promise((resolve) => setImmediate(resolve));
  const later = Array.from({ length: 500 }, (_, i) => issue(500 + i));
  const receipts = await Promise.all([...together, ...later]);
  assert.equal(counting.signatures, 3);
  const sizes = new Set<number>();
  for (const [i, receipt] of receipts.entries()) {
    const { head } = await verifyReceipt(receipt, claimsEntry(claims(i)), key.publicKey);
    sizes.add(head.size);
  }
  assert.deepEqual([...sizes], [501, 1001]);
});

test('a signature that fails is told to those who waited for it, and to nobody else', async () => {
  let fail = false;
  const flaky: SigningKey = {
    ...key,
    sign: (bytes) => {
      if (fail) throw new Error('no entropy');
      return key.sign(bytes);
    },
  };
  const issuer = await Issuer.start(flaky, first);
  fail = true;
  await assert.rejects(issueClaims(issuer, claims(1)), /no entropy/);
  fail = false;
  const { index } = await verifyReceipt(
    await issueClaims(issuer, claims(2)),
    claimsEntry(claims(2)),
    key.publicKey,
  );
  assert.equal(index, 2);
});

test('heads are consistent with every head before, and name their entries', async () => {
  const issuer = await Issuer.start(key, first);
  const heads = [decodeTreeHead(issuer.treeHead())];
  for (let i = 1; i <= 20; i++) {
    await issueClaims(issuer, claims(i));
    const { head } = await verifyReceipt(issuer.inclusion(0), first, key.publicKey);
    assert.equal(head.size, i + 1);
    heads.push(head);
  }
  for (const older of heads) {
    await verifyTreeHead(older, key.publicKey);
    const { treeHead, proof } = issuer.consistency(older.size);
    const newer = decodeTreeHead(treeHead);
    if (older.size === newer.size) assert.equal(proof.length, 0);
    else await verifyConsistency(proof, older, newer, key.publicKey);
  }
  const { index } = await verifyReceipt(issuer.inclusion(7), claimsEntry(claims(7)), key.publicKey);
  assert.equal(index, 7);
  await verifyReceipt(issuer.inclusion(0), first, key.publicKey);
  assert.throws(() => issuer.inclusion(21), { code: 'MERKLE_INDEX' });
  assert.throws(() => issuer.consistency(0), { code: 'MERKLE_INDEX' });
  assert.throws(() => issuer.consistency(22), { code: 'MERKLE_INDEX' });
});
