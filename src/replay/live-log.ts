import { status } from '@grpc/grpc-js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { SignedTreeHead } from '../../attestation/receipt/tree-head.js';
import { serviceStatus } from '../client/service-status.js';
import type { Session } from '../client/session.js';
import type { AuditedLog, LoggedReceipt } from './audited-log.js';

/** Entries that are looked up between two audits: each may show two heads, which an audit settles. */
const ENTRIES_PER_AUDIT = 256;

/** A proof that does not hold, or none for a place or a size that the enclave's own key signed for. */
function isFault(error: unknown): error is AssayError {
  if (!(error instanceof AssayError)) return false;
  return error.code.startsWith('RECEIPT_') || serviceStatus(error) === status.OUT_OF_RANGE;
}

/** A proof that leads from another entry, or to another place, than was asked for. */
function isOfAnother(error: unknown): boolean {
  if (!(error instanceof AssayError)) return false;
  return error.code === 'RECEIPT_INCLUSION' || error.code === 'RECEIPT_SIGNATURE';
}

/** A node prunes its log, and says so of what it no longer keeps; a lie of this kind proves nothing either. */
function pruned(error: unknown): AssayError | null {
  if (serviceStatus(error) !== status.NOT_FOUND) return null;
  return new AssayError(
    'RECEIPT_UNSETTLED',
    'the node says that it no longer keeps what would prove this part of its log',
    error,
  );
}

function denied(what: string, cause: unknown): AssayError {
  return new AssayError('RECEIPT_FORK', `the enclave signed ${what}`, cause);
}

/** The log of an attested enclave that still runs, as it proves it entry by entry. */
export class LiveLog implements AuditedLog {
  readonly head: SignedTreeHead;
  readonly #session: Session;
  #entries = 0;

  private constructor(session: Session, head: SignedTreeHead) {
    this.#session = session;
    this.head = head;
  }

  /** The log at its newest head. Rejects with RECEIPT_… or CLIENT_…. */
  static async open(session: Session): Promise<LiveLog> {
    return new LiveLog(session, await session.log.head());
  }

  /** Proves the heads seen so far before there are more of them than a session remembers. */
  async #countEntry(): Promise<void> {
    this.#entries += 1;
    if (this.#entries % ENTRIES_PER_AUDIT === 0) await this.settle();
  }

  async has(index: number, entry: Uint8Array): Promise<boolean> {
    await this.#countEntry();
    try {
      await this.#session.log.prove(index, entry);
      return true;
    } catch (error) {
      if (isOfAnother(error) || pruned(error) !== null) return false;
      if (serviceStatus(error) !== status.OUT_OF_RANGE) throw error;
      if (index >= this.head.size) return false;
      throw denied(
        `a log of ${this.head.size} entries, and says that it has none at ${index}`,
        error,
      );
    }
  }

  async #judgeOne({ index, entry, head }: LoggedReceipt): Promise<AssayError | null> {
    await this.#countEntry();
    try {
      await this.#session.log.extend(head);
      await this.#session.log.prove(index, entry);
      return null;
    } catch (error) {
      const fault = pruned(error) ?? error;
      if (!isFault(fault)) throw fault;
      return fault;
    }
  }

  async *judge(receipts: readonly LoggedReceipt[]): AsyncIterable<AssayError | null> {
    for (const receipt of receipts) yield await this.#judgeOne(receipt);
  }

  /** Every head that was seen on the way is proven against the others: they are one log. */
  async settle(): Promise<void> {
    try {
      await this.#session.audit();
    } catch (error) {
      if (serviceStatus(error) !== status.OUT_OF_RANGE) throw pruned(error) ?? error;
      throw denied('a log of a size that it says it never had', error);
    }
  }
}
