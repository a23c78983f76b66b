import { AssayError } from '../../attestation/encoding/error.js';
import { manifestEntry } from '../../attestation/receipt/claims.js';
import type { AuditedLog, LoggedReceipt } from './audited-log.js';
import { forksAmong } from './receipt-forks.js';

/** A proof file that an auditor holds, read when it is needed. */
export interface HeldProof {
  readonly file: string;
  readonly read: () => Promise<Uint8Array>;
}

/** A file, and what is wrong with it. */
export interface ProofFault {
  readonly file: string;
  readonly error: AssayError;
}

/** A proof of a log, and what it is without its tensors. */
export interface Logged extends LoggedReceipt, HeldProof {
  readonly manifest: Uint8Array;
}

/** What a log showed of the receipts at hand, and of the sampled entries that there are none of. */
export interface Consulted {
  readonly contradicted: readonly ProofFault[];
  readonly uncontradicted: readonly Logged[];
  /** Receipts that were not held against the log. */
  readonly unjudged: number;
  /**
   * Entries whose receipts are not proven to be of the log: `unavailable` where it says that it no longer
   * keeps what would prove them, `unaudited` where it was not asked.
   */
  readonly unproven: ReadonlyMap<number, 'unavailable' | 'unaudited'>;
  /** Entries without a receipt that are manifests; none unless all that the log showed is of one log. */
  readonly manifests: ReadonlySet<number>;
  /** RECEIPT_…: what the log showed is not of one log, or not proven to be. */
  readonly fault: AssayError | null;
  /** Any other error that the log answered with, and was asked nothing more after. */
  readonly interruption: AssayError | null;
}

/** Asks a log; what ended that early, or null. Rejects with what is no AssayError. */
async function asking(questions: () => Promise<void>): Promise<AssayError | null> {
  try {
    await questions();
    return null;
  } catch (error) {
    if (!(error instanceof AssayError)) throw error;
    return error;
  }
}

/** Entries of the manifests that some proof was made under, each once. */
function manifestEntries(proofs: readonly Logged[]): readonly Uint8Array[] {
  const entries = new Map(
    proofs.map(({ manifest }) => [manifest.join(), manifestEntry(manifest)] as const),
  );
  return [...entries.values()];
}

/** What the log said of the receipts, in their order, and what they say of each other. */
function sortOut(own: readonly Logged[], errors: readonly (AssayError | null)[]) {
  const contradicted: ProofFault[] = [];
  const unproven = new Map<number, 'unavailable' | 'unaudited'>();
  const proven = new Set(own.filter((_, i) => errors[i] === null).map(({ index }) => index));
  for (const { index } of own.slice(errors.length)) {
    if (!proven.has(index)) unproven.set(index, 'unaudited');
  }
  const passed = (proofs: readonly Logged[], found: readonly (AssayError | null)[]) =>
    proofs.filter(({ file, index }, i) => {
      const error = found[i] ?? null;
      if (error === null) return true;
      const unsettled = error.code === 'RECEIPT_UNSETTLED';
      if (unsettled) unproven.set(index, 'unavailable');
      else contradicted.push({ file, error });
      return unsettled;
    });
  const consistent = passed(own, errors);
  const uncontradicted = passed(consistent, forksAmong(consistent));
  return { contradicted, uncontradicted, unproven };
}

/**
 * A manifest of the enclave is no answer: whoever holds any proof under it can tell its entry. A node may
 * show one in a second log, so that nothing counts before all that it showed is proven to be of one.
 */
async function lookUp(
  log: AuditedLog,
  indices: readonly number[],
  entries: readonly Uint8Array[],
): Promise<ReadonlySet<number>> {
  const manifests = new Set<number>();
  for (const index of indices) {
    for (const entry of entries) {
      if (!(await log.has(index, entry))) continue;
      manifests.add(index);
      break;
    }
  }
  await log.settle();
  return manifests;
}

/**
 * Holds the receipts against the log, and those that it does not contradict against each other; then looks
 * up the sampled entries that there are none of. An error of the log ends only what it is asked.
 */
export async function consultLog(
  log: AuditedLog,
  own: readonly Logged[],
  sample: readonly number[],
): Promise<Consulted> {
  const errors: (AssayError | null)[] = [];
  let manifests: ReadonlySet<number> = new Set();
  let ended = await asking(async () => {
    for await (const error of log.judge(own)) errors.push(error);
  });
  const sorted = sortOut(own, errors);
  const held = new Set(sorted.uncontradicted.map(({ index }) => index));
  const missing = sample.filter((index) => !held.has(index));
  ended ??= await asking(async () => {
    manifests = await lookUp(log, missing, manifestEntries(own));
  });
  const isFault = ended?.code.startsWith('RECEIPT_') === true;
  return {
    ...sorted,
    unjudged: own.length - errors.length,
    manifests,
    fault: isFault ? ended : null,
    interruption: isFault ? null : ended,
  };
}
