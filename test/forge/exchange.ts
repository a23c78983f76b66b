import type {
  AppraisedEnclave,
  InferenceExchange,
} from '../../attestation/appraisal/appraise-inference.js';
import { coseKeyThumbprint } from '../../attestation/encoding/cose.js';
import { leafHash, merkleRoot } from '../../attestation/encoding/merkle.js';
import { executionDigest } from '../../attestation/evidence/execution-profile.js';
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
  manifestDigest,
} from '../../attestation/evidence/manifest.js';
import {
  claimsEntry,
  encodeClaims,
  type InferenceClaims,
  manifestEntry,
} from '../../attestation/receipt/claims.js';
import { type CommittedTensor, commitTensors } from '../../attestation/receipt/commitment.js';
import { encodeInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import { encodeReceipt } from '../../attestation/receipt/receipt.js';
import { encodeTreeHeadHeader, treeHeadInput } from '../../attestation/receipt/tree-head.js';
import { fill } from './fill.js';
import { madeUpProfile } from './made-up-profile.js';
import { inclusionPath } from './merkle.js';

/** A signing key as an enclave holds one. */
export interface ForgedKey {
  readonly pair: CryptoKeyPair;
  readonly cose: { readonly x: Uint8Array; readonly y: Uint8Array };
}

/** A fresh P-256 key. */
export async function forgeKey(): Promise<ForgedKey> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, [
    'sign',
    'verify',
  ]);
  const point = new Uint8Array(await crypto.subtle.exportKey('raw', pair.publicKey));
  return { pair, cose: { x: point.slice(1, 33), y: point.slice(33, 65) } };
}

/** An enclave that serves one model `adder` version 1: FP32 a[2] + b[2] → FP32 sum[2]. */
export function forgeEnclave(key: ForgedKey, changes: Partial<Manifest> = {}): AppraisedEnclave {
  const graph = fill(3);
  const signature = (name: string) => ({ name, type: 'tensor(float)', dims: [2] });
  const manifestBytes = encodeManifest({
    epoch: fill(4),
    signingKey: key.cose,
    tlsKey: fill(5),
    encryptionKey: fill(6),
    models: [
      {
        name: 'adder',
        version: '1',
        files: [{ path: 'adder.onnx', size: 100, sha256: fill(7) }],
        weights: fill(8),
        graph,
        inputs: [signature('a'), signature('b')],
        outputs: [signature('sum')],
        profile: madeUpProfile,
        execution: executionDigest(graph, madeUpProfile),
        batching: { maxBatchSize: 1, invariance: 'off' },
        selfTest: null,
      },
    ],
    launchPolicy: null,
    software: { name: 'assay', version: '0.1.0' },
    ...changes,
  });
  return { manifest: decodeManifest(manifestBytes), manifestBytes };
}

/** A tensor of two FP32 elements. */
export function pair(name: string, values: readonly [number, number]): CommittedTensor {
  const data = new Uint8Array(Float32Array.from(values).buffer);
  return { name, datatype: 'FP32', shape: [2], data };
}

const answered = {
  model: 'adder',
  version: '1',
  nonce: fill(9),
  inputs: [pair('a', [1, 2]), pair('b', [3, 4])],
  outputs: [pair('sum', [4, 6])],
  salt: fill(10),
};

/**
 * A request and its answer with a genuine receipt, in which single claims may be changed before they
 * are logged and signed.
 */
export async function forgeExchange(
  key: ForgedKey,
  enclave: AppraisedEnclave,
  changes: Partial<InferenceClaims> = {},
): Promise<InferenceExchange> {
  const { manifest, manifestBytes } = enclave;
  const [model] = manifest.models;
  if (model === undefined) throw new Error('a forged enclave serves one model');
  const claims = encodeClaims({
    issuedAt: 1_790_000_000,
    nonce: answered.nonce,
    epoch: manifest.epoch,
    model: { name: model.name, version: model.version },
    graph: model.graph,
    execution: model.execution,
    request: commitTensors('request', answered.inputs, answered.salt),
    response: commitTensors('response', answered.outputs, answered.salt),
    manifest: manifestDigest(manifestBytes),
    signingKey: coseKeyThumbprint(manifest.signingKey),
    ...changes,
  });
  const leaves = [manifestEntry(manifestDigest(manifestBytes)), claimsEntry(claims)].map(leafHash);
  const root = merkleRoot(leaves);
  const keyId = coseKeyThumbprint(key.cose);
  const protectedBytes = encodeTreeHeadHeader({ size: leaves.length, keyId });
  const signature = new Uint8Array(
    await crypto.subtle.sign(
      { name: 'ECDSA', hash: 'SHA-256' },
      key.pair.privateKey,
      treeHeadInput(protectedBytes, root),
    ),
  );
  const head = { size: leaves.length, keyId, root, protectedBytes, signature };
  const receipt = encodeReceipt(head, 1, inclusionPath(leaves, 1));
  return { ...answered, receipt: encodeInferenceReceipt({ claims, receipt }) };
}
