import type { AssayError } from '../../attestation/encoding/error.js';
import type { SignedTreeHead } from '../../attestation/receipt/tree-head.js';

/** A receipt whose signature holds: the entry at `index` is in the tree of `head`. */
export interface LoggedReceipt {
  readonly index: number;
  readonly entry: Uint8Array;
  readonly head: SignedTreeHead;
}

/** A log that samples are drawn from, and that receipts are held against. */
export interface AuditedLog {
  /** The head that a sample is drawn from. */
  readonly head: SignedTreeHead;
  /**
   * Whether the log proves that the entry at a place is this one. Rejects with RECEIPT_… where it
   * contradicts what it has signed.
   */
  has(index: number, entry: Uint8Array): Promise<boolean>;
  /**
   * For each receipt, in their order, an error if it is not of this log: its head is no prefix of the log, or
   * the log has another entry in its place. RECEIPT_UNSETTLED contradicts nothing: the log no longer keeps
   * what would prove it. Ends with any other error where the log cannot be asked.
   */
  judge(receipts: readonly LoggedReceipt[]): AsyncIterable<AssayError | null>;
  /**
   * Proves that all that was shown so far is of one log; what is not proven by this may be of another.
   * Rejects with RECEIPT_… where it is not, RECEIPT_UNSETTLED where that could not be proven.
   */
  settle(): Promise<void>;
}
