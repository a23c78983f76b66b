import type { AppraiseOptions } from '../../attestation/appraisal/appraise.js';
import { appraiseProof } from '../../attestation/appraisal/appraise-proof.js';
import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import { type Verdict, verdictOf } from '../../attestation/appraisal/result.js';
import { equalBytes } from '../../attestation/encoding/bytes.js';
import { type CoseKey, coseKeyThumbprint } from '../../attestation/encoding/cose.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { claimsEntry, decodeClaims, manifestEntry } from '../../attestation/receipt/claims.js';
import { decodeInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import { decodeProofFile } from '../../attestation/receipt/proof-file.js';
import { decodeReceipt, verifyReceipt } from '../../attestation/receipt/receipt.js';
import { verifyTreeHead } from '../../attestation/receipt/tree-head.js';
import type { Agreement } from '../client/agreement.js';
import { NotAffirmedError } from '../client/connect.js';
import type { AuditedLog, LoggedReceipt } from './audited-log.js';
import type { Executor } from './executor.js';
import { forksAmong } from './receipt-forks.js';
import {
  outcomeOf,
  type ReplayedOutcome,
  type ReplayedProof,
  replayProof,
} from './replay-proof.js';
import { sampleLog } from './sample.js';

/** A proof file that an auditor holds, read when it is needed. */
export interface HeldProof {
  readonly file: string;
  readonly read: () => Promise<Uint8Array>;
}

/**
 * What became of a sampled entry: a replay's verdict; `not-executed`: its request could not be executed
 * again; `refused`: its proof is not affirmed; `no-model`: nothing here has the model; `unavailable`:
 * nobody gave its proof, or the log no longer proves that it is of it; `manifest`: no answer, but a
 * manifest of the enclave.
 */
export type EntryOutcome = ReplayedOutcome | 'no-model' | 'unavailable' | 'manifest';

/** An entry of the sample, and what became of it. */
export interface AuditedEntry {
  readonly index: number;
  readonly outcome: EntryOutcome;
  readonly file: string | null;
  /** Null where no proof was executed again. */
  readonly replayed: ReplayedProof | null;
}

/** A file, and what is wrong with it. */
export interface ProofFault {
  readonly file: string;
  readonly error: AssayError;
}

/** What auditing a fraction of a log found. */
export interface LogAudit {
  /** Sampled entries, in the order of the log. */
  readonly entries: readonly AuditedEntry[];
  /** Entries that the head covers, of which a proof of this log is at hand. */
  readonly held: number;
  /** Later entries than the head covers that proofs are at hand of: of this enclave, and not in this log yet. */
  readonly later: number;
  /** Whether the evidence that vouches for the log's key is a simulator's. */
  readonly simulated: boolean;
  /**
   * Why what the log showed is not of one log, or, as RECEIPT_UNSETTLED, not proven to be; null where it
   * is. Evidence against the node, like the contradicted proofs.
   */
  readonly fault: AssayError | null;
  /** Proofs with a receipt of the log's own key that the log, or another of them, contradicts: evidence against the node. */
  readonly contradicted: readonly ProofFault[];
  /** Files that are no proofs of this log: unreadable, of another enclave or boot, forged, or damaged copies. */
  readonly outside: readonly ProofFault[];
}

/** How a log is audited. */
export interface AuditOptions {
  readonly policy: AppraisalPolicy;
  readonly appraisal: AppraiseOptions;
  readonly executor: Executor;
  readonly seed: Uint8Array;
  readonly fraction: number;
  readonly agreement?: Agreement | undefined;
  readonly onProgress?: (text: string) => void;
}

const VERDICTS: readonly Verdict[] = ['affirmed', 'unchecked', 'refused'];

/** A proof of this log, and what it is without its tensors. */
interface Logged extends LoggedReceipt, HeldProof {
  readonly manifest: Uint8Array;
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
  { policy, appraisal }: AuditOptions,
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

/** The proofs that are of this log, and the others with what is wrong with them. */
async function logged(
  log: AuditedLog,
  proofs: readonly HeldProof[],
  options: AuditOptions,
): Promise<{
  readonly own: readonly Logged[];
  readonly outside: ProofFault[];
  readonly simulated: boolean;
}> {
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
    options,
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

async function replayEntry(
  index: number,
  { file, read }: HeldProof,
  { policy, appraisal, executor, agreement }: AuditOptions,
): Promise<AuditedEntry> {
  try {
    const replayed = await replayProof(await read(), policy, appraisal, executor, agreement);
    return { index, file, replayed, outcome: outcomeOf(replayed) };
  } catch (error) {
    if (!(error instanceof AssayError && error.code === 'PROOF_MODEL')) throw error;
    return { index, file, replayed: null, outcome: 'no-model' };
  }
}

/** How far a proof is from being affirmed. */
function rank({ replayed }: AuditedEntry): number {
  return replayed === null ? 0 : VERDICTS.indexOf(verdictOf(replayed.result));
}

/**
 * Replays the first of an entry's proofs that is affirmed, or else says of one why it is not: one that could
 * not be checked before those that are refused. A damaged copy beside a better one is `outside`: whoever
 * damaged it says nothing of the answer. Undefined where there is no proof.
 */
async function replayFirst(
  index: number,
  proofs: readonly HeldProof[],
  options: AuditOptions,
  outside: ProofFault[],
): Promise<AuditedEntry | undefined> {
  const tried: AuditedEntry[] = [];
  for (const proof of proofs) {
    const entry = await replayEntry(index, proof, options);
    tried.push(entry);
    if (entry.outcome !== 'refused') break;
  }
  const [best, ...others] = tried.sort((a, b) => rank(a) - rank(b));
  for (const { file, replayed } of others) {
    if (file === null || replayed === null) continue;
    outside.push({ file, error: new NotAffirmedError(file, replayed.result) });
  }
  return best;
}

/** An answer that is right, and not proven to be of the log: what is wrong with it stays wrong. */
function unproven(entry: AuditedEntry): AuditedEntry {
  const right = entry.outcome === 'identical' || entry.outcome === 'within';
  return right ? { ...entry, outcome: 'unavailable' } : entry;
}

/** The proofs of each entry: somebody may hold copies. */
function byEntry(proofs: readonly Logged[]): ReadonlyMap<number, readonly HeldProof[]> {
  const entries = new Map<number, HeldProof[]>();
  for (const proof of proofs) {
    const copies = entries.get(proof.index);
    if (copies === undefined) entries.set(proof.index, [proof]);
    else copies.push(proof);
  }
  return entries;
}

/** What a log shows of entries that no proof is at hand of. */
interface LookedUp {
  /** Those of them that are manifests; none where there is a fault. */
  readonly manifests: ReadonlySet<number>;
  readonly fault: AssayError | null;
}

/**
 * A manifest of the enclave is no answer: whoever holds any proof under it can tell its entry. A node may
 * show one in a second log, so that nothing counts before all that it showed is proven to be of one.
 */
async function lookUp(
  log: AuditedLog,
  indices: readonly number[],
  entries: readonly Uint8Array[],
): Promise<LookedUp> {
  const manifests = new Set<number>();
  try {
    for (const index of indices) {
      for (const entry of entries) {
        if (!(await log.has(index, entry))) continue;
        manifests.add(index);
        break;
      }
    }
    await log.settle();
    return { manifests, fault: null };
  } catch (error) {
    if (!(error instanceof AssayError && error.code.startsWith('RECEIPT_'))) throw error;
    return { manifests: new Set(), fault: error };
  }
}

/** Entries of the manifests that some proof was made under, each once. */
function manifestEntries(proofs: readonly Logged[]): readonly Uint8Array[] {
  const entries = new Map(
    proofs.map(({ manifest }) => [manifest.join(), manifestEntry(manifest)] as const),
  );
  return [...entries.values()];
}

/** Holds the receipts against the log, and those that it does not contradict against each other. */
async function judge(log: AuditedLog, own: readonly Logged[]) {
  const contradicted: ProofFault[] = [];
  const pruned = new Set<number>();
  const passed = (proofs: readonly Logged[], errors: readonly (AssayError | null)[]) =>
    proofs.filter(({ file, index }, i) => {
      const error = errors[i] ?? null;
      if (error === null) return true;
      const unsettled = error.code === 'RECEIPT_UNSETTLED';
      if (unsettled) pruned.add(index);
      else contradicted.push({ file, error });
      return unsettled;
    });
  const consistent = passed(own, await log.judge(own));
  const uncontradicted = passed(consistent, forksAmong(consistent));
  return { contradicted, uncontradicted, pruned };
}

/**
 * Audits a fraction of a log: whose key signed it, that every proof at hand is of it, and for a sample of
 * its entries that executing their requests again gives their answers. Rejects with CLIENT_REFUSED if no proof
 * vouches for the key and one is refused, RECEIPT_UNATTESTED if there is none or none could be checked,
 * RECEIPT_KEY or RECEIPT_SIGNATURE for a head that the key did not sign, as `sampleLog`, and as the executor
 * does.
 */
export async function auditLog(
  log: AuditedLog,
  proofs: readonly HeldProof[],
  options: AuditOptions,
): Promise<LogAudit> {
  const sample = await sampleLog(log.head, options.seed, options.fraction);
  const { own, outside, simulated } = await logged(log, proofs, options);
  const { contradicted, uncontradicted, pruned } = await judge(log, own);
  const byIndex = byEntry(uncontradicted);
  const held = [...byIndex.keys()].filter((index) => index < log.head.size).length;
  const missing = sample.filter((index) => !byIndex.has(index));
  const { manifests, fault } = await lookUp(log, missing, manifestEntries(own));
  const entries: AuditedEntry[] = [];
  for (const [i, index] of sample.entries()) {
    options.onProgress?.(`${i + 1} of ${sample.length}`);
    const entry = await replayFirst(index, byIndex.get(index) ?? [], options, outside);
    if (entry !== undefined) {
      entries.push(pruned.has(index) ? unproven(entry) : entry);
    } else {
      const outcome = manifests.has(index) ? 'manifest' : 'unavailable';
      entries.push({ index, outcome, file: null, replayed: null });
    }
  }
  const later = byIndex.size - held;
  return { entries, held, later, simulated, fault, contradicted, outside };
}
