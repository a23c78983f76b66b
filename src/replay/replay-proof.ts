import type { AppraiseOptions } from '../../attestation/appraisal/appraise.js';
import { appraiseProof } from '../../attestation/appraisal/appraise-proof.js';
import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import type { AttestationResult } from '../../attestation/appraisal/result.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { Manifest, ManifestModel } from '../../attestation/evidence/manifest.js';
import type { ProofFile } from '../../attestation/receipt/proof-file.js';
import type { Agreement } from '../client/agreement.js';
import { nativeHmacSha256 } from '../native-hmac.js';
import type { Executor } from './executor.js';
import { judgeReplay, type Replay, tensorsOf } from './replay.js';

/** A proof that was appraised, and executed again if it was affirmed. */
export interface ReplayedProof {
  readonly result: AttestationResult;
  /** Null for a proof that was not affirmed: nobody answers for what it says. */
  readonly replay: Replay | null;
}

function modelOf(manifest: Manifest, proof: ProofFile): ManifestModel {
  const { name, version } = proof.model;
  const model = manifest.models.find((m) => m.name === name && m.version === version);
  if (model !== undefined) return model;
  throw new AssayError('PROOF_MODEL', `the manifest has no model ${name} ${version}`);
}

/**
 * Appraises a proof file; if it is affirmed, executes its request again and compares every bit. Rejects
 * with PROOF_MODEL if the executor does not have the model, and with what the executor rejects with.
 */
export async function replayProof(
  bytes: Uint8Array,
  policy: AppraisalPolicy,
  options: AppraiseOptions,
  executor: Executor,
  agreement?: Agreement,
): Promise<ReplayedProof> {
  const { result, proof, enclave } = await appraiseProof(bytes, policy, {
    ...options,
    hmac: nativeHmacSha256,
  });
  if (!result.affirmed || proof === null || enclave === null) return { result, replay: null };
  const model = modelOf(enclave.manifest, proof);
  const outputs = tensorsOf(proof.outputs);
  const replayed = await executor.run(
    model,
    tensorsOf(proof.inputs),
    outputs.map(({ name }) => name),
  );
  return { result, replay: judgeReplay({ outputs, profile: model.profile }, replayed, agreement) };
}
