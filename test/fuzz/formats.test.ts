import { fromHex } from '../../attestation/encoding/bytes.js';
import { makeChallenge } from '../../attestation/evidence/binding.js';
import { decodeBundle, encodeBundle } from '../../attestation/evidence/bundle.js';
import {
  decodeLaunchPolicy,
  encodeLaunchPolicy,
} from '../../attestation/evidence/launch-policy.js';
import { decodeManifest, encodeManifest } from '../../attestation/evidence/manifest.js';
import { claimsEntry, decodeClaims, encodeClaims } from '../../attestation/receipt/claims.js';
import { decodeSalt, encodeSalt } from '../../attestation/receipt/commitment.js';
import { decodeConsistency } from '../../attestation/receipt/consistency.js';
import {
  decodeInferenceReceipt,
  encodeInferenceReceipt,
} from '../../attestation/receipt/inference-receipt.js';
import { encodeProof, PROOF } from '../../attestation/receipt/proof.js';
import { decodeProofFile, encodeProofFile } from '../../attestation/receipt/proof-file.js';
import { decodeReceipt, verifyReceipt } from '../../attestation/receipt/receipt.js';
import { decodeTreeHead, encodeTreeHead } from '../../attestation/receipt/tree-head.js';
import { Issuer } from '../../enclave/issuer.js';
import { makeSigningKey } from '../../enclave/signing-key.js';
import { forgeEnclave, forgeExchange, forgeKey, pair } from '../forge/exchange.js';
import { issueClaims } from '../forge/issue.js';
import { fuzz } from './harness.js';

const fill = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);
const forged = await forgeKey();
const enclave = forgeEnclave(forged);
const { claims, receipt } = decodeInferenceReceipt((await forgeExchange(forged, enclave)).receipt);

fuzz({
  name: 'manifest',
  seeds: [
    enclave.manifestBytes,
    forgeEnclave(forged, { launchPolicy: fill(1) }).manifestBytes,
    forgeEnclave(forged, {
      models: enclave.manifest.models.map((model) => ({
        ...model,
        selfTest: { vectors: fill(1), outputs: fill(2), sets: 3, identical: 2 },
      })),
    }).manifestBytes,
  ],
  decode: (bytes) => encodeManifest(decodeManifest(bytes)),
});

const policy = {
  models: [
    { graph: fill(1), execution: null },
    { graph: fill(1), execution: fill(2) },
    { graph: fill(3), execution: null },
    {
      graph: fill(3),
      execution: null,
      name: 'm',
      selfTest: { vectors: fill(4), outputs: fill(5) },
    },
  ],
  development: false,
  plaintext: true,
};
fuzz({
  name: 'launch policy',
  seeds: [encodeLaunchPolicy(policy)],
  decode: (bytes) => encodeLaunchPolicy(decodeLaunchPolicy(bytes)),
});

fuzz({
  name: 'evidence bundle',
  seeds: makeChallenge([fill(1), fill(2), fill(3)]).map((challenge, i) =>
    encodeBundle({
      tee: i === 0 ? 'sev-snp' : 'tdx',
      report: fromHex('00112233'),
      ...(i === 2 && { runtimeClaims: fill(6) }),
      endorsements: i === 0 ? null : fill(4),
      manifest: enclave.manifestBytes,
      challenge,
      eventLog: i === 0 ? null : fill(5),
      launchPolicy: encodeLaunchPolicy(policy),
    }),
  ),
  decode: (bytes) => encodeBundle(decodeBundle(bytes)),
});

fuzz({
  name: 'claims',
  seeds: [claims, encodeClaims({ ...decodeClaims(claims), nonce: null })],
  decode: (bytes) => encodeClaims(decodeClaims(bytes)),
});

fuzz({
  name: 'inference receipt',
  seeds: [encodeInferenceReceipt({ claims, receipt })],
  decode: (bytes) => encodeInferenceReceipt(decodeInferenceReceipt(bytes)),
});

const key = makeSigningKey();
const issuer = await Issuer.start(key, fill(9));
for (let i = 0; i < 6; i++) await issueClaims(issuer, Uint8Array.of(i));
const root = fill(0);

fuzz({
  name: 'receipt of inclusion',
  seeds: [receipt, issuer.inclusion(0), issuer.inclusion(5)],
  decode: (bytes) => {
    const { index, path, head } = decodeReceipt(bytes);
    return encodeProof({ ...head, root }, PROOF.inclusion, {
      first: head.size,
      second: index,
      path,
    });
  },
});

fuzz({
  name: 'receipt of consistency',
  seeds: [issuer.consistency(1).proof, issuer.consistency(6).proof],
  decode: (bytes) => {
    const { oldSize, path, head } = decodeConsistency(bytes);
    return encodeProof({ ...head, root }, PROOF.consistency, {
      first: oldSize,
      second: head.size,
      path,
    });
  },
});

fuzz({
  name: 'tree head',
  seeds: [issuer.treeHead()],
  decode: (bytes) => encodeTreeHead(decodeTreeHead(bytes)),
});

const genuine = await issueClaims(issuer, claims);
fuzz({
  name: 'receipt that must verify',
  seeds: [genuine],
  decode: async (bytes) => {
    await verifyReceipt(bytes, claimsEntry(claims), key.publicKey);
    return genuine;
  },
});

const proof = {
  evidence: Uint8Array.of(1, 2, 3),
  evidenceNonce: fill(1),
  endorsements: { amd: [Uint8Array.of(9)], intel: null },
  model: { name: 'adder', version: '1' },
  nonce: fill(2),
  inputs: [pair('a', [1, 2])],
  outputs: [pair('sum', [4, 6])],
  receipt,
  salt: fill(3),
};

fuzz({
  name: 'salt of a commitment',
  seeds: [encodeSalt(proof.salt)],
  decode: (bytes) => encodeSalt(decodeSalt(bytes)),
});

fuzz({
  name: 'proof file',
  seeds: [encodeProofFile(proof), encodeProofFile({ ...proof, inputs: [], outputs: [] })],
  decode: (bytes) => encodeProofFile(decodeProofFile(bytes)),
});
