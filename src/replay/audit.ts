import type { AppraiseOptions } from '../../attestation/appraisal/appraise.js';
import type { AppraisalPolicy } from '../../attestation/appraisal/policy.js';
import { type Verdict, verdictOf } from '../../attestation/appraisal/result.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { Agreement } from '../client/agreement.js';
import { NotAffirmedError } from '../client/connect.js';
import type { AuditedLog } from './audited-log.js';
import {
  type Consulted,
  consultLog,
  type HeldProof,
  type Logged,
  type ProofFault,
} from './consult-log.js';
import type { Executor } from './executor.js';
import { proofsOfLog } from './proofs-of-log.js';
import {
  outcomeOf,
  type ReplayedOutcome,
  type ReplayedProof,
  replayProof,
} from './replay-proof.js';
import { sampleLog } from './sample.js';

/**
 * What became of a sampled entry: a replay's verdict; `not-executed`: its request could not be executed
 * again; `refused`: its proof is not affirmed; `no-model`: nothing here has the model; `unavailable`:
 * nobody gave its proof, or the log no longer proves that it is of it; `unaudited`: the audit was
 * interrupted before it was looked at, or before the log proved that it is of it; `manifest`: no answer,
 * but a manifest of the enclave.
 */
export type EntryOutcome = ReplayedOutcome | 'no-model' | 'unavailable' | 'unaudited' | 'manifest';

/** An entry of the sample, and what became of it. */
export interface AuditedEntry {
  readonly index: number;
  readonly outcome: EntryOutcome;
  readonly file: string | null;
  /** Null where no proof was executed again. */
  readonly replayed: ReplayedProof | null;
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
   * Why what the log showed is not of one log, which is evidence against the node, like the contradicted
   * proofs; or, as RECEIPT_UNSETTLED, why it is not proven to be, which contradicts nothing. Null where it is
   * of one, or the audit was interrupted.
   */
  readonly fault: AssayError | null;
  /**
   * What ended the audit before all was looked at, such as a node that no longer answers; null where
   * nothing did. It says nothing of the log, and what was found until then still counts.
   */
  readonly interruption: AssayError | null;
  /** Receipts of the log's key at hand that were not held against the log. */
  readonly unjudged: number;
  /** Whether all that the log showed is proven to be of one log. */
  readonly settled: boolean;
  /**
   * Proofs with a receipt of the log's own key that the log, or
   * another of them, contradicts: evidence against the node.
   */
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

/** An answer that is right counts only where it is proven to be of the log: what is wrong with it stays wrong. */
function asProven(entry: AuditedEntry, { unproven }: Consulted): AuditedEntry {
  const right = entry.outcome === 'identical' || entry.outcome === 'within';
  const outcome = right ? unproven.get(entry.index) : undefined;
  return outcome === undefined ? entry : { ...entry, outcome };
}

/** An entry that no proof is at hand of. */
function unheld(index: number, { manifests, interruption }: Consulted): AuditedEntry {
  const unseen = interruption === null ? 'unavailable' : 'unaudited';
  return { index, outcome: manifests.has(index) ? 'manifest' : unseen, file: null, replayed: null };
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

/** What became of the sampled entries, as far as they could be executed again, and what ended that early. */
async function replaySample(
  sample: readonly number[],
  byIndex: ReadonlyMap<number, readonly HeldProof[]>,
  shown: Consulted,
  options: AuditOptions,
  outside: ProofFault[],
): Promise<Pick<LogAudit, 'entries' | 'interruption'>> {
  const entries: AuditedEntry[] = [];
  try {
    for (const [i, index] of sample.entries()) {
      options.onProgress?.(`${i + 1} of ${sample.length}`);
      const entry = await replayFirst(index, byIndex.get(index) ?? [], options, outside);
      entries.push(entry === undefined ? unheld(index, shown) : asProven(entry, shown));
    }
    return { entries, interruption: null };
  } catch (error) {
    if (!(error instanceof AssayError)) throw error;
    const left = sample.slice(entries.length).map((index) => {
      return { index, outcome: 'unaudited', file: null, replayed: null } as const;
    });
    return { entries: [...entries, ...left], interruption: error };
  }
}

/**
 * Audits a fraction of a log: whose key signed it, that every proof at hand is of it, and for a sample of
 * its entries that executing their requests again gives their answers. An error of the log or of the
 * executor, once the log's key is known to be the enclave's, interrupts the audit and is in it. Rejects
 * as `proofsOfLog` and `sampleLog`.
 */
export async function auditLog(
  log: AuditedLog,
  proofs: readonly HeldProof[],
  options: AuditOptions,
): Promise<LogAudit> {
  const sample = await sampleLog(log.head, options.seed, options.fraction);
  const { own, outside, simulated } = await proofsOfLog(log, proofs, options);
  const shown = await consultLog(log, own, sample);
  const byIndex = byEntry(shown.uncontradicted);
  const held = [...byIndex.keys()].filter((index) => index < log.head.size).length;
  const replayed = await replaySample(sample, byIndex, shown, options, outside);
  const { fault, unjudged, contradicted } = shown;
  return {
    entries: replayed.entries,
    held,
    later: byIndex.size - held,
    simulated,
    fault,
    interruption: shown.interruption ?? replayed.interruption,
    unjudged,
    settled: fault === null && shown.interruption === null,
    contradicted,
    outside,
  };
}
