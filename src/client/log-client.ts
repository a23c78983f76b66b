import type { CoseKey } from '../../attestation/encoding/cose.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { verifyConsistency } from '../../attestation/receipt/consistency.js';
import { verifyReceipt } from '../../attestation/receipt/receipt.js';
import {
  decodeTreeHead,
  type SignedTreeHead,
  verifyTreeHead,
} from '../../attestation/receipt/tree-head.js';
import { LogWatch, MAX_HEADS } from './log-watch.js';
import { DEFAULT_TIMEOUT, type PinnedChannel } from './rpc.js';

/** Bounds of one call; 60 000 ms unless given. */
export interface LogOptions {
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** Rounds in which the heads of a growing log are proven against each other; an idle one takes one. */
const AUDIT_ROUNDS = 16;

/** The epoch's log of one attested enclave: what it proves of it, and the heads that were seen. */
export class LogClient {
  readonly #channel: PinnedChannel;
  readonly #key: () => CoseKey;
  readonly #watch = new LogWatch();

  /** @param key the signing key of the affirmed manifest. */
  constructor(channel: PinnedChannel, key: () => CoseKey) {
    this.#channel = channel;
    this.#key = key;
  }

  #call<Response extends object>(
    method: string,
    request: object,
    { timeout = DEFAULT_TIMEOUT, signal }: LogOptions,
  ): Promise<Response> {
    return this.#channel.call<Response>('assay.v1.Attestation', method, request, {
      timeout,
      signal,
    });
  }

  /** Remembers a verified head; throws RECEIPT_FORK if another root was seen at its size. */
  observe(head: SignedTreeHead): void {
    this.#watch.observe(head);
  }

  /** The newest signed head; throws RECEIPT_… for one that the attested key did not sign. */
  async head(options: LogOptions = {}): Promise<SignedTreeHead> {
    const { tree_head } = await this.#call<{ readonly tree_head: Uint8Array }>(
      'GetTreeHead',
      {},
      options,
    );
    const head = decodeTreeHead(tree_head);
    await verifyTreeHead(head, this.#key());
    this.observe(head);
    return head;
  }

  /**
   * Proves that the log has an entry at a place, at the head that it shows now. Throws RECEIPT_… if the
   * proof is of another place or another entry, USAGE_TIMEOUT or CLIENT_… from the call.
   */
  async prove(index: number, entry: Uint8Array, options: LogOptions = {}): Promise<void> {
    const { receipt } = await this.#call<{ readonly receipt: Uint8Array }>(
      'GetInclusionProof',
      { index },
      options,
    );
    const proven = await verifyReceipt(receipt, entry, this.#key());
    if (proven.index !== index) {
      throw new AssayError(
        'RECEIPT_INCLUSION',
        `expected a proof for entry ${index}, not ${proven.index}`,
      );
    }
    this.observe(proven.head);
  }

  /**
   * The head that the enclave shows now, proven to extend an older one, in place of which it is
   * remembered. Throws RECEIPT_CONSISTENCY, RECEIPT_FORK or another RECEIPT_ code, USAGE_TIMEOUT or CLIENT_… from
   * the call.
   * @param older a head whose signature was verified.
   */
  async extend(older: SignedTreeHead, options: LogOptions = {}): Promise<SignedTreeHead> {
    const answer = await this.#call<{ readonly tree_head: Uint8Array; readonly proof: Uint8Array }>(
      'GetConsistencyProof',
      { old_size: older.size },
      options,
    );
    const newest = decodeTreeHead(answer.tree_head);
    await verifyTreeHead(newest, this.#key());
    if (newest.size === older.size) {
      this.observe(older);
      this.observe(newest);
      return newest;
    }
    try {
      await verifyConsistency(answer.proof, older, newest, this.#key());
    } catch (error) {
      // The enclave signed this head all the same: the next audit has to prove it.
      this.observe(newest);
      throw error;
    }
    this.#watch.settle(older, newest);
    return newest;
  }

  /** What was proven is told of every head that was seen, so that none may have been forgotten. */
  #assertComplete(): void {
    const { dropped } = this.#watch;
    if (dropped === 0) return;
    throw new AssayError(
      'RECEIPT_UNSETTLED',
      `more than ${MAX_HEADS} heads were seen between two audits, and ${dropped} of them were never proven: audit a new session, and more often`,
    );
  }

  /**
   * Proves that the log only grew: every head that was seen is a prefix of the newest one. At most 1024
   * heads, one for each answer, are remembered until they are proven: an audit after more of them fails,
   * and so does every later one.
   * @returns the newest size of the log.
   * @throws AssayError RECEIPT_CONSISTENCY, RECEIPT_FORK or another RECEIPT_ code: the enclave dropped,
   *   moved or rewrote an answer that it had signed for. RECEIPT_UNSETTLED: it showed different heads
   *   for as long as it was asked, so that nothing is proven yet, or more heads were seen between two
   *   audits than are remembered. USAGE_TIMEOUT or CLIENT_… from the calls.
   */
  async audit(options: LogOptions = {}): Promise<number> {
    for (let round = 0; round < AUDIT_ROUNDS; round++) {
      const heads = this.#watch.heads();
      await Promise.all(heads.map((older) => this.extend(older, options)));
      const [left, ...others] = this.#watch.heads();
      if (others.length === 0) {
        this.#assertComplete();
        return left?.size ?? 0;
      }
    }
    throw new AssayError(
      'RECEIPT_UNSETTLED',
      `the log showed different heads in each of ${AUDIT_ROUNDS} rounds of proofs: audit again`,
    );
  }
}
