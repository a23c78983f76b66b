import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { toHex } from '../../attestation/encoding/bytes.js';
import { decodeBundle } from '../../attestation/evidence/bundle.js';
import { encodeSnpEvidence } from '../../attestation/evidence/snp-evidence.js';
import { encodeClaims } from '../../attestation/receipt/claims.js';
import { type CommittedTensor, commitTensors } from '../../attestation/receipt/commitment.js';
import { encodeInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import { encodeProofFile } from '../../attestation/receipt/proof-file.js';
import { TileFiles } from '../../enclave/tile-files.js';
import {
  bootOptions,
  bootServing,
  evidenceOf,
  launch,
  launchPolicyFor,
  servedModel,
} from '../forge/enclave.js';
import { issueClaims } from '../forge/issue.js';
import { repositoryRoot } from '../vectors.js';
import { python, withoutPython } from './peers.js';

const folder = join(repositoryRoot, 'test', 'interop');

function verify(given: object): Promise<{ readonly code: number | null; readonly out: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(python, [join(folder, 'verify_formats.py')]);
    let out = '';
    for (const stream of [child.stdout, child.stderr]) {
      stream.on('data', (text: Buffer) => {
        out += text.toString();
      });
    }
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, out }));
    child.stdin.end(JSON.stringify(given));
  });
}

function vector(name: string, values: readonly number[]): CommittedTensor {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return { name, datatype: 'FP32', shape: [values.length], data };
}

/** Elements `a` and none: each after its u32 length. */
const words: CommittedTensor = {
  name: 'words',
  datatype: 'BYTES',
  shape: [2],
  data: Uint8Array.of(1, 0, 0, 0, 0x61, 0, 0, 0, 0),
};

const shown = (tensors: readonly CommittedTensor[]) =>
  tensors.map((tensor) => ({ ...tensor, data: toHex(tensor.data) }));

for (const tee of ['sev-snp', 'tdx'] as const) {
  test(`Python verifies ${tee} evidence, a receipt and a proof file by the CDDL alone`, {
    skip: withoutPython,
  }, async (t) => {
    const model = servedModel('double', 2);
    const platform = await launch(tee, launchPolicyFor(model));
    const published = await mkdtemp(join(tmpdir(), 'assay-published-'));
    t.after(() => rm(published, { recursive: true }));
    const archive = new TileFiles(published, (error) => assert.fail(String(error)));
    const enclave = await bootServing(bootOptions(platform, [model], { log: () => ({ archive }) }));
    const [nonce, salt] = [new Uint8Array(randomBytes(32)), new Uint8Array(randomBytes(32))];
    const [stated] = enclave.manifest.models;
    assert.ok(stated !== undefined);
    const inputs = [vector('x', [1, 2]), words];
    const outputs = [vector('y', [2, 4])];
    const { name, version, graph, execution } = stated;
    const claims = encodeClaims({
      issuedAt: 1_790_000_000,
      nonce,
      epoch: enclave.manifest.epoch,
      model: { name, version },
      graph,
      execution,
      request: commitTensors('request', inputs, salt),
      response: commitTensors('response', outputs, salt),
      manifest: enclave.manifestDigest,
      signingKey: enclave.keys.signing.id,
    });
    for (let i = 0; i < 5; i++) await issueClaims(enclave.issuer, randomBytes(8));
    const receipt = await issueClaims(enclave.issuer, claims);
    const bundle = await evidenceOf(enclave, nonce);
    const wrapped = encodeInferenceReceipt({ claims, receipt });
    const proof = encodeProofFile({
      evidence: bundle,
      evidenceNonce: nonce,
      endorsements: { amd: [Uint8Array.of(1)], intel: Uint8Array.of(2) },
      model: { name, version },
      nonce,
      inputs,
      outputs,
      receipt: wrapped,
      salt,
    });
    const collected = encodeSnpEvidence({
      evidence: decodeBundle(bundle).report,
      certificates: [Uint8Array.of(1)],
      crls: [Uint8Array.of(2)],
      collectedAt: 1_790_000_000,
    });
    const treeHead = enclave.issuer.treeHead();
    const first = enclave.issuer.inclusion(0);
    const { bytes: later } = await enclave.restate([]);
    const latest = enclave.issuer.inclusion(enclave.issuer.counts.entries - 1);
    await enclave.issuer.flush();
    const given = {
      cddl: join(repositoryRoot, 'attestation', 'assay.cddl'),
      bundle: toHex(bundle),
      nonce: toHex(nonce),
      receipt: toHex(wrapped),
      treeHead: toHex(treeHead),
      first: toHex(first),
      later: toHex(later),
      latest: toHex(latest),
      published,
      proof: toHex(proof),
      collected: toHex(collected),
      salt: toHex(salt),
      inputs: shown(inputs),
      outputs: shown(outputs),
    };
    const verdict = await verify(given);
    assert.equal(verdict.code, 0, verdict.out);
    assert.deepEqual(JSON.parse(verdict.out), { index: 6, size: 7, models: 1 });
    const other = await verify({ ...given, outputs: shown([vector('y', [2, 5])]) });
    assert.match(other.out, /does not hold: response/);
  });
}
