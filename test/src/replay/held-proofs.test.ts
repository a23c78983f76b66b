import assert from 'node:assert/strict';
import { cp, mkdir, writeFile } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { decodeBundle, encodeBundle } from '../../../attestation/evidence/bundle.js';
import { manifestEntry } from '../../../attestation/receipt/claims.js';
import {
  decodeInferenceReceipt,
  encodeInferenceReceipt,
} from '../../../attestation/receipt/inference-receipt.js';
import { encodeProofFile } from '../../../attestation/receipt/proof-file.js';
import { Issuer } from '../../../enclave/issuer.js';
import { TileFiles } from '../../../enclave/tile-files.js';
import { auditedAdder } from '../../forge/audited-adder.js';
import { flip } from '../../forge/cbor.js';
import { issueClaims } from '../../forge/issue.js';

const ANSWERS = 4;
const { node, at, policy, audit, proof, entryOf } = await auditedAdder(ANSWERS);

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

/** Takes away what endorses the evidence of a proof. */
async function strip(...file: string[]): Promise<void> {
  const held = await proof(...file);
  const evidence = encodeBundle({ ...decodeBundle(held.evidence), endorsements: null });
  await writeFile(at(...file), encodeProofFile({ ...held, evidence }));
}

/** Writes a copy of a proof whose answer is not the one that its receipt is for. */
async function damage(original: string, ...file: string[]): Promise<void> {
  const held = await proof('proofs', original);
  const outputs = held.outputs.map((output) => ({ ...output, data: flip(output.data, 0) }));
  await writeFile(at(...file), encodeProofFile({ ...held, outputs }));
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

describe('proofs that are not affirmed', () => {
  const published = ['--log', at('log')];

  test('one that could not be checked leaves the audit unchecked, and others their confidence', async () => {
    await cp(at('proofs'), at('stripped'), { recursive: true });
    await strip('stripped', '3.proof');
    const { code, found } = await audit('stripped', [...published, '--offline']);
    assert.deepEqual([code, found.counts.refused, found.confidence?.replayed], [3, 1, ANSWERS - 1]);
  });

  test('the only one could not be checked: unattested, with the reason', async () => {
    await mkdir(at('single'));
    await cp(at('proofs', '1.proof'), at('single', '1.proof'));
    await strip('single', '1.proof');
    const { code, found } = await audit('single', [...published, '--offline']);
    assert.deepEqual([code, found.error.code], [3, 'RECEIPT_UNATTESTED']);
    assert.match(
      found.error.causes[0].message,
      /1\.proof is not affirmed \(ENDORSEMENTS_MISSING\)/,
    );
  });

  test('all are refused by the policy: refused, with the reason', async () => {
    const strict = { ...policy, snp: { measurements: ['ab'.repeat(48)] } };
    await writeFile(at('strict.json'), JSON.stringify(strict));
    const { code, found } = await audit('proofs', published, 'strict.json');
    assert.deepEqual([code, found.error.code], [1, 'CLIENT_REFUSED']);
    assert.match(found.error.message, /1\.proof is not affirmed \(snp\.measurement\)/);
  });
});

describe('a damaged copy of a proof, beside the proof', () => {
  for (const name of ['0.proof', 'zz.proof']) {
    test(`named ${name}, says nothing of the answer`, async () => {
      const folder = `copies-${name}`;
      await cp(at('proofs'), at(folder), { recursive: true });
      await damage('3.proof', folder, name);
      const { code, found } = await audit(folder, ['--log', at('log')]);
      assert.deepEqual(
        [code, found.counts.identical, found.counts.refused, found.log.held],
        [0, ANSWERS, 0, ANSWERS],
      );
    });
  }

  test('is named, and does not stand for one that could not be checked', async () => {
    await cp(at('proofs'), at('worse'), { recursive: true });
    await strip('worse', '3.proof');
    await damage('3.proof', 'worse', '0.proof');
    const { code, found } = await audit('worse', ['--log', at('log'), '--offline']);
    assert.equal(code, 3);
    assert.deepEqual(
      found.outside.map((fault: { file: string; code: string }) => [fault.file, fault.code]),
      [[at('worse', '0.proof'), 'CLIENT_REFUSED']],
    );
  });
});
