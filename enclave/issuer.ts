import { setImmediate as nextTurn } from 'node:timers/promises';
import { threadId } from 'node:worker_threads';
import { encodeConsistency } from '../attestation/receipt/consistency.js';
import { encodeReceipt, type LogPlace } from '../attestation/receipt/receipt.js';
import { encodeTreeHead, type SignedTreeHead } from '../attestation/receipt/tree-head.js';
import { type LogOptions, MerkleLog, type PublishedHead } from './log.js';
import { decodeNotice, leavesOf, noticeSize, signTree, underHead } from './log-writer.js';
import { type Extension, SharedRange } from './shared-range.js';
import type { SigningKey } from './signing-key.js';
import type { TreeSnapshot } from './tree-snapshot.js';

/** Entries after which a head is published again. */
const HEAD_INTERVAL = 256;

interface Waiting {
  readonly entry: Uint8Array;
  readonly resolve: (place: LogPlace) => void;
  readonly reject: (reason: unknown) => void;
}

/** As a worker told of it, until somebody asks. */
type NewestHead = SignedTreeHead | { readonly notice: Uint8Array; readonly size: number };

export interface IssuerOptions extends LogOptions {
  /** Of the log, where worker threads append too (`LogWriter`); default: its own. */
  readonly memory?: SharedArrayBuffer;
}

/**
 * The epoch's log as the event loop has it: what the worker threads appended and signed, and what it
 * appends itself, with the proofs of all of it. Group commit: what comes together shares a head, one
 * alone is signed at once, there is no timer. An entry whose signing failed stays in the log, and its
 * caller gets the error.
 */
export class Issuer {
  readonly #range: SharedRange;
  /** Holds what was taken from the range. */
  readonly #log: MerkleLog;
  readonly #key: SigningKey;
  #head: NewestHead;
  #snapshot: TreeSnapshot | undefined;
  #waiting: Waiting[] = [];
  #appending = false;
  #signatures = 0;

  private constructor(key: SigningKey, range: SharedRange, log: MerkleLog, first: Extension) {
    this.#key = key;
    this.#range = range;
    this.#log = log;
    this.#head = this.#sign(first);
  }

  /** Starts a log with its first entry, signs it, and publishes it, so that a folder in vain is told at once. */
  static async start(
    key: SigningKey,
    first: Uint8Array,
    { memory = SharedRange.allocate(), ...options }: IssuerOptions = {},
  ): Promise<Issuer> {
    const range = new SharedRange(memory, threadId);
    const extension = await extend(range, [first]);
    const issuer = new Issuer(key, range, new MerkleLog(options), extension);
    issuer.#publish();
    return issuer;
  }

  /** Appends an entry; resolves to its COSE Receipt once a signed head covers it. */
  async append(entry: Uint8Array): Promise<Uint8Array> {
    const { head, index, path } = await this.#place(entry);
    return encodeReceipt(head, index, path);
  }

  #place(entry: Uint8Array): Promise<LogPlace> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ entry, resolve, reject });
      if (!this.#appending) void this.#appendWaiting();
    });
  }

  async #appendWaiting(): Promise<void> {
    this.#appending = true;
    await turnEnd();
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        const extension = await extend(
          this.#range,
          group.map(({ entry }) => entry),
        );
        const { head, place } = underHead(extension, this.#sign(extension));
        this.#adopt(head);
        group.forEach(({ resolve }, i) => {
          resolve(place(i));
        });
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#appending = false;
  }

  #sign({ tree }: Extension): SignedTreeHead {
    const head = signTree(tree, this.#key.id, this.#key.sign);
    this.#signatures += 1;
    return head;
  }

  /** A worker signed a head: `encodeNotice`. */
  noticed(notice: Uint8Array): void {
    this.#signatures += 1;
    this.#adopt({ notice, size: noticeSize(notice) });
  }

  /** A thread that appended has ended. */
  release(thread: number): void {
    this.#range.release(thread);
  }

  /** Heads of two threads may arrive in the other order than they were signed in. */
  #adopt(head: NewestHead): void {
    const { size } = this.#head;
    if (head.size <= size) return;
    this.#head = head;
    this.#snapshot = undefined;
    if (Math.floor(head.size / HEAD_INTERVAL) > Math.floor(size / HEAD_INTERVAL)) this.#publish();
  }

  /** Entries in the log, those of manifests included, and heads signed. */
  get counts(): { readonly entries: number; readonly heads: number } {
    return { entries: this.#range.size, heads: this.#signatures };
  }

  /** The newest head that the log's archive has; undefined without one. */
  get published(): PublishedHead | undefined {
    return this.#log.published;
  }

  /** Hands the newest signed head to the log's archive, with all that it takes to check it. */
  #publish(): void {
    this.#take();
    this.#log.publish(this.#head.size, this.treeHead());
  }

  #take(): void {
    for (const { hash, roots } of this.#range.take()) this.#log.append(hash, roots);
  }

  /** Publishes the newest head; resolves once it and its tiles were written, or tried. */
  async flush(): Promise<void> {
    this.#publish();
    await this.#log.flushed();
  }

  #signed(): SignedTreeHead {
    if ('notice' in this.#head) this.#head = decodeNotice(this.#head.notice, this.#key.id);
    return this.#head;
  }

  #tree(): TreeSnapshot {
    if (this.#snapshot === undefined) {
      this.#take();
      this.#snapshot = this.#log.at(this.#head.size);
    }
    return this.#snapshot;
  }

  /** The newest signed head. */
  treeHead(): Uint8Array {
    return encodeTreeHead(this.#signed());
  }

  /** Receipt for any entry at the newest signed head; throws MERKLE_INDEX. */
  inclusion(index: number): Uint8Array {
    return encodeReceipt(this.#signed(), index, this.#tree().inclusionPath(index));
  }

  /**
   * The newest signed head and the proof that it extends the tree of `oldSize`, empty if that is its
   * own size; throws MERKLE_INDEX.
   */
  consistency(oldSize: number): { readonly treeHead: Uint8Array; readonly proof: Uint8Array } {
    const path = this.#tree().consistencyPath(oldSize);
    return {
      treeHead: this.treeHead(),
      proof:
        path.length === 0 ? new Uint8Array() : encodeConsistency(this.#signed(), oldSize, path),
    };
  }
}

/** Resolves when all that one turn of the event loop brought is there: it shares a head. */
function turnEnd(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

/** The event loop is never blocked: where a worker appends just now, it looks again in its next turn. */
async function extend(range: SharedRange, entries: readonly Uint8Array[]): Promise<Extension> {
  const leaves = leavesOf(entries);
  let extension = range.tryExtend(leaves);
  while (extension === undefined) {
    await nextTurn();
    extension = range.tryExtend(leaves);
  }
  return extension;
}
