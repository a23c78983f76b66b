import { concat } from '../../../attestation/encoding/bytes.js';
import { editMap } from '../../forge/cbor.js';
import { affirmingPolicy } from '../../forge/enclave.js';
import { fill } from '../../forge/fill.js';
import { type EvidenceCase, models, refusedEvidence } from '../../forge/judge-evidence.js';

const manifests: readonly EvidenceCase[] = [
  {
    name: 'another version',
    code: 'MANIFEST_VERSION',
    fault: { manifestBytes: (b) => editMap(b, (map) => map.set('version', 2)) },
  },
  {
    name: 'an unknown member',
    code: 'MANIFEST_ENCODING',
    fault: { manifestBytes: (b) => editMap(b, (map) => map.set('note', 'x')) },
  },
  {
    name: 'a missing member',
    code: 'MANIFEST_ENCODING',
    fault: { manifestBytes: (b) => editMap(b, (map) => map.delete('tlsKey')) },
  },
  {
    name: 'a byte behind',
    code: 'MANIFEST_ENCODING',
    fault: { manifestBytes: (b) => concat(b, fill(0, 1)) },
  },
  {
    name: 'an epoch of 31 bytes',
    code: 'MANIFEST_ENCODING',
    fault: { manifest: (m) => ({ ...m, epoch: fill(1, 31) }) },
  },
  {
    name: 'a signing key of another kind',
    code: 'MANIFEST_ENCODING',
    fault: { manifestBytes: (b) => editMap(b, (map) => map.set('signingKey', new Map([[1, 1]]))) },
  },
  {
    name: 'an encryption key of 33 bytes',
    code: 'MANIFEST_ENCODING',
    fault: { manifest: (m) => ({ ...m, encryptionKey: fill(1, 33) }) },
  },
  {
    name: 'a launch policy digest of 48 bytes',
    code: 'MANIFEST_ENCODING',
    fault: { manifest: (m) => ({ ...m, launchPolicy: fill(1, 48) }) },
  },
  {
    name: 'models out of order',
    code: 'MANIFEST_ENCODING',
    fault: { manifest: (m) => ({ ...m, models: [...m.models].reverse() }) },
  },
  {
    name: 'a model twice',
    code: 'MANIFEST_ENCODING',
    fault: { manifest: (m) => ({ ...m, models: m.models.flatMap((model) => [model, model]) }) },
  },
  {
    name: 'more identical test sets than there are',
    code: 'MANIFEST_ENCODING',
    fault: {
      manifest: (m) => ({
        ...m,
        models: m.models.map((model) => ({
          ...model,
          selfTest: { vectors: fill(1), outputs: fill(2), sets: 1, identical: 2 },
        })),
      }),
    },
  },
  {
    name: 'shared executions without a proof that neighbours do not matter',
    code: 'MANIFEST_ENCODING',
    fault: {
      manifest: (m) => ({
        ...m,
        models: m.models.map((model) => ({
          ...model,
          batching: { maxBatchSize: 8, invariance: 'varies' as const },
        })),
      }),
    },
  },
  {
    name: 'an execution digest of another profile',
    code: 'MANIFEST_EXECUTION',
    fault: {
      manifest: (m) => ({
        ...m,
        models: m.models.map((model) => ({
          ...model,
          profile: { ...model.profile, intraOpThreads: 8 },
        })),
      }),
    },
  },
  {
    name: 'another launch policy than the evidence carries',
    code: 'enclave.launch-policy.enforced',
    fault: { manifest: (m) => ({ ...m, launchPolicy: fill(1) }) },
  },
  {
    name: 'a launch policy that the evidence leaves out, where none needs to be pinned',
    code: 'enclave.launch-policy.enforced',
    fault: { pinned: null, bundle: (b) => ({ ...b, launchPolicy: null }) },
    policy: affirmingPolicy(models, { allowUnpinned: true }),
  },
  {
    name: 'software that is not accepted',
    code: 'enclave.software',
    policy: affirmingPolicy(models, { softwareVersions: ['9.9.9'] }),
  },
  {
    name: 'other software of a version that is accepted',
    code: 'enclave.software',
    fault: { manifest: (m) => ({ ...m, software: { ...m.software, name: 'other' } }) },
    policy: affirmingPolicy(models, { softwareVersions: ['0.1.0'] }),
  },
];

refusedEvidence('manifests', manifests);
