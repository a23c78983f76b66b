import type { AppraiseOptions } from '../../attestation/appraisal/appraise.js';
import { appraiseProof } from '../../attestation/appraisal/appraise-proof.js';
import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import { verdictOf } from '../../attestation/appraisal/result.js';
import { equalBytes } from '../../attestation/encoding/bytes.js';
import { type CoseKey, coseKeyThumbprint } from '../../attestation/encoding/cose.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { claimsEntry, decodeClaims } from '../../attestation/receipt/claims.js';
import { decodeInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import { decodeProofFile } from '../../attestation/receipt/proof-file.js';
import { decodeReceipt, verifyReceipt } from '../../attestation/receipt/receipt.js';
import { verifyTreeHead } from '../../attestation/receipt/tree-head.js';
import { NotAffirmedError } from '../client/connect.js';
import type { AuditedLog } from './audited-log.js';
import type { HeldProof, Logged, ProofFault } from './consult-log.js';

/** How the evidence of proofs is judged. */
interface Appraisal {
  readonly policy: AppraisalPolicy;
  readonly appraisal: AppraiseOptions;
}

/** Reads what a proof says of its place in a log; throws for one of another log. */
function placeOf(bytes: Uint8Array, keyId: Uint8Array) {
  const { claims, receipt } = decodeInferenceReceipt(decodeProofFile(bytes).receipt);
  if (!equalBytes(decodeReceipt(receipt).head.keyId, keyId)) {
    throw new AssayError(
      'RECEIPT_KEY',
      'the proof is of another log: another key signed its receipt',
    );
  }
  return { entry: claimsEntry(claims), receipt, manifest: decodeClaims(claims).manifest };
}

/**
 * The key that signed the log, from the first proof of it whose evidence is affirmed. Where there is none,
 * the error says why: a refused proof's before one that could not be checked.
 */
async function attestedKey(
  log: AuditedLog,
  proofs: readonly HeldProof[],
  { policy, appraisal }: Appraisal,
): Promise<{ readonly key: CoseKey; readonly simulated: boolean }> {
  let refused: NotAffirmedError | undefined;
  let unchecked: NotAffirmedError | undefined;
  for (const { file, read } of proofs) {
    const { result, enclave } = await appraiseProof(await read(), policy, appraisal);
    const key = result.affirmed ? enclave?.manifest.signingKey : undefined;
    if (key !== undefined && equalBytes(coseKeyThumbprint(key), log.head.keyId)) {
      return { key, simulated: result.simulated };
    }
    const reason = new NotAffirmedError(file, result);
    if (verdictOf(result) === 'refused') refused ??= reason;
    else unchecked ??= reason;
  }
  if (refused !== undefined) throw refused;
  throw new AssayError(
    'RECEIPT_UNATTESTED',
    'expected a proof of this log whose evidence is affirmed: without one, nobody vouches for the key that signed it',
    unchecked,
  );
}

/** What the proofs at hand are to a log. */
interface ProofsOfLog {
  /** Those that are of it. */
  readonly own: readonly Logged[];
  /** The others, with what is wrong with them. */
  readonly outside: ProofFault[];
  /** Whether the evidence that vouches for the log's key is a simulator's. */
  readonly simulated: boolean;
}

/**
 * Tells the proofs that are of this log from others. Rejects with CLIENT_REFUSED if none vouches for the
 * key that signed it and one is refused, RECEIPT_UNATTESTED if there is none or none could be checked, RECEIPT_KEY
 * or RECEIPT_SIGNATURE for a head that the key did not sign.
 */
export async function proofsOfLog(
  log: AuditedLog,
  proofs: readonly HeldProof[],
  appraisal: Appraisal,
): Promise<ProofsOfLog> {
  const outside: ProofFault[] = [];
  const places: (ReturnType<typeof placeOf> & { readonly proof: HeldProof })[] = [];
  for (const proof of proofs) {
    try {
      places.push({ ...placeOf(await proof.read(), log.head.keyId), proof });
    } catch (error) {
      if (!(error instanceof AssayError)) throw error;
      outside.push({ file: proof.file, error });
    }
  }
  const { key, simulated } = await attestedKey(
    log,
    places.map(({ proof }) => proof),
    appraisal,
  );
  await verifyTreeHead(log.head, key);
  const own: Logged[] = [];
  for (const { entry, receipt, manifest, proof } of places) {
    try {
      own.push({ ...proof, ...(await verifyReceipt(receipt, entry, key)), entry, manifest });
    } catch (error) {
      if (!(error instanceof AssayError)) throw error;
      outside.push({ file: proof.file, error });
    }
  }
  return { own, outside, simulated };
}
