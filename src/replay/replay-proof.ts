import type { AppraiseOptions } from '../../attestation/appraisal/appraise.js';
import { appraiseProof } from '../../attestation/appraisal/appraise-proof.js';
import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import type { AttestationResult } from '../../attestation/appraisal/result.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { type Manifest, statedModel } from '../../attestation/evidence/manifest.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import type { ProofFile } from '../../attestation/receipt/proof-file.js';
import type { Agreement } from '../client/agreement.js';
import { nativeHmacSha256 } from '../system/native-hmac.js';
import type { Executor } from './executor.js';
import { judgeReplay, type Replay, type ReplayVerdict, tensorsOf } from './replay.js';

/** A proof that was appraised, and executed again if it was affirmed. */
export interface ReplayedProof {
  readonly result: AttestationResult;
  /** Null for a proof that was not affirmed, since nobody answers for what it says, or not executed. */
  readonly replay: Replay | null;
  /** Why the request of an affirmed proof could not be executed; null where it was, or was not to be. */
  readonly failure: string | null;
}

/** What became of a proof: a verdict, or why there is none. */
export type ReplayedOutcome = ReplayVerdict | 'refused' | 'not-executed';

export function outcomeOf({ replay, failure }: ReplayedProof): ReplayedOutcome {
  return replay?.verdict ?? (failure === null ? 'refused' : 'not-executed');
}

/** Nothing at hand has the model of a proof that is affirmed: PROOF_MODEL. */
export class NoModelError extends AssayError {
  readonly result: AttestationResult;

  constructor(result: AttestationResult, cause: AssayError) {
    super('PROOF_MODEL', cause.message, cause);
    this.result = result;
  }
}

function modelOf(manifest: Manifest, proof: ProofFile): ManifestModel {
  const model = statedModel(manifest, proof.model);
  if (model !== undefined) return model;
  const { name, version } = proof.model;
  throw new AssayError('PROOF_MODEL', `the manifest has no model ${name} ${version}`);
}

/** Tensors that are none, and requests that cannot be executed: whoever answered says that they can. */
function isUnexecutable(error: unknown): error is AssayError {
  return (
    error instanceof AssayError &&
    (error.code === 'PROOF_EXECUTION' || error.code.startsWith('TENSOR_'))
  );
}

/**
 * Appraises a proof file; if it is affirmed, executes its request again and compares every bit. Rejects
 * with NoModelError if the executor does not have the model, and with what else the executor rejects with
 * but PROOF_EXECUTION: no proof keeps others from being replayed.
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
  if (!result.affirmed || proof === null || enclave === null) {
    return { result, replay: null, failure: null };
  }
  try {
    const model = modelOf(enclave.manifest, proof);
    const outputs = tensorsOf(proof.outputs);
    const names = outputs.map(({ name }) => name);
    const replayed = await executor.run(model, tensorsOf(proof.inputs), names);
    const replay = judgeReplay({ outputs, profile: model.profile }, replayed, agreement);
    return { result, replay, failure: null };
  } catch (error) {
    if (error instanceof AssayError && error.code === 'PROOF_MODEL') {
      throw new NoModelError(result, error);
    }
    if (!isUnexecutable(error)) throw error;
    return { result, replay: null, failure: error.message };
  }
}
