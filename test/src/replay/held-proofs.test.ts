import assert from 'node:assert/strict';
import { cp, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { manifestEntry } from '../../../attestation/receipt/claims.js';
import {
  decodeInferenceReceipt,
  encodeInferenceReceipt,
} from '../../../attestation/receipt/inference-receipt.js';
import { encodeProofFile } from '../../../attestation/receipt/proof-file.js';
import { Issuer } from '../../../enclave/issuer.js';
import { TileFiles } from '../../../enclave/tile-files.js';
import { auditedAdder } from '../../forge/audited-adder.js';
import { issueClaims } from '../../forge/issue.js';

const ANSWERS = 4;
const { node, at, audit, proof, entryOf } = await auditedAdder(ANSWERS);

/** A log of the node's key with the first two answers, published where a name is given. */
async function shortLog(name?: string): Promise<Issuer> {
  const fail = (error: unknown): never => {
    throw error;
  };
  const options = name === undefined ? {} : { archive: new TileFiles(at(name), fail) };
  const manifest = manifestEntry(node.enclave.manifestDigest);
  const issuer = await Issuer.start(node.enclave.keys.signing, manifest, options);
  for (const file of ['1.proof', '2.proof']) await issuer.append(await entryOf('proofs', file));
  await issuer.flush();
  return issuer;
}

test('receipts of one place in two logs that both extend the published one are a fork', async () => {
  await shortLog('short');
  await cp(at('proofs'), at('forked'), { recursive: true });
  for (const file of ['3.proof', '4.proof']) {
    const held = await proof('proofs', file);
    const { claims } = decodeInferenceReceipt(held.receipt);
    const receipt = await issueClaims(await shortLog(), claims);
    const forged = { ...held, receipt: encodeInferenceReceipt({ claims, receipt }) };
    await writeFile(at('forked', file), encodeProofFile(forged));
  }
  const { code, found } = await audit('forked', ['--log', at('short')]);
  assert.equal(code, 1);
  assert.deepEqual(
    found.contradicted.map((fault: { file: string; code: string }) => [fault.file, fault.code]),
    ['3.proof', '4.proof'].map((file) => [at('forked', file), 'RECEIPT_FORK']),
  );
});
