import { AssayError } from '../encoding/error.js';
import type { HmacSha256 } from '../receipt/commitment.js';
import { decodeProofFile, type ProofFile } from '../receipt/proof-file.js';
import { type AppraiseOptions, appraiseBundle } from './appraise.js';
import { type AppraisedEnclave, appraiseInference } from './appraise-inference.js';
import type { AppraisalPolicy } from './policy.js';
import { CHAIN_OF_TRUST } from './references-enclave.js';
import {
  type AttestationResult,
  conclude,
  type Finding,
  findingOf,
  requireTime,
} from './result.js';
import type { Endorsements } from './verify-hardware.js';

/** How a proof file is appraised. */
export interface AppraiseProofOptions extends AppraiseOptions {
  /** A faster HMAC than the portable one, for large tensors. */
  readonly hmac?: HmacSha256;
}

/** The verdict on a proof file, and what the file says where it could be read. */
export interface AppraisedProof {
  readonly result: AttestationResult;
  /** Null for bytes that are no proof file. */
  readonly proof: ProofFile | null;
  /** The enclave that the evidence is about; null unless the evidence is authentic. */
  readonly enclave: AppraisedEnclave | null;
}

/** What a receipt cannot show, however good it is. */
const CAVEATS = [
  'The receipt shows that the enclave made this answer, not when: its clock is the host’s.',
] as const;

function unreadable(error: AssayError, at: Date): AppraisedProof {
  return {
    proof: null,
    enclave: null,
    result: {
      tee: null,
      authentic: false,
      affirmed: false,
      code: error.code,
      summary: `This is no proof file: ${error.message}.`,
      simulated: false,
      trustAnchor: null,
      at: at.toISOString(),
      fresh: false,
      checks: [findingOf(error, CHAIN_OF_TRUST.proof)],
      claims: {},
      caveats: [],
    },
  };
}

/** The file's own endorsements, judged like the host's: whoever made the file chose them. */
function carriedBy({ endorsements: { amd, intel } }: ProofFile): Endorsements {
  return intel === null ? { amd } : { amd, intel };
}

/** The evidence's result with the receipt's findings behind its own. */
function combine(
  evidence: AttestationResult,
  findings: readonly Finding[],
  summary: string,
): AttestationResult {
  return {
    ...evidence,
    ...conclude([...evidence.checks, ...findings], `${evidence.summary} ${summary}`),
    caveats: [...evidence.caveats, ...CAVEATS],
  };
}

/**
 * Appraises a proof file: the evidence in it, as any bundle, then the receipt against the enclave that
 * the evidence is about, then request, response and nonce against the receipt. The file's own nonces
 * are used, so that everything in it must hang together; the evidence counts as fresh only if
 * `options.nonce` is the one that the caller drew. The caller's endorsements stand beside the file's; the
 * caller's collateral comes before them. Without any of the caller's, a caveat says that the maker of the
 * file chose what revocation was judged by.
 */
export async function appraiseProof(
  bytes: Uint8Array,
  policy: AppraisalPolicy,
  options: AppraiseProofOptions,
): Promise<AppraisedProof> {
  const { hmac, ...appraisal } = options;
  requireTime(options.at);
  let proof: ProofFile;
  try {
    proof = decodeProofFile(bytes);
  } catch (error) {
    if (error instanceof AssayError) return unreadable(error, options.at);
    throw error;
  }
  const { result: evidence, enclave } = await appraiseBundle(proof.evidence, policy, {
    ...appraisal,
    statedNonce: proof.evidenceNonce,
    carried: carriedBy(proof),
  });
  if (enclave === null) return { result: evidence, proof, enclave };
  const { name, version } = proof.model;
  try {
    const exchange = { ...proof, model: name, version };
    const { checks, index } = await appraiseInference(exchange, enclave, hmac);
    const summary = `Its receipt proves answer ${index} of this epoch, by model ${name} ${version}.`;
    return { result: combine(evidence, checks, summary), proof, enclave };
  } catch (error) {
    if (!(error instanceof AssayError)) throw error;
    return {
      result: combine(evidence, [findingOf(error, CHAIN_OF_TRUST.proof)], ''),
      proof,
      enclave,
    };
  }
}
