import { claimsEntry } from '../attestation/receipt/claims.js';
import { encodeConsistency } from '../attestation/receipt/consistency.js';
import { encodeReceipt, type LogPlace } from '../attestation/receipt/receipt.js';
import {
  encodeTreeHead,
  encodeTreeHeadHeader,
  type SignedTreeHead,
  treeHeadInput,
} from '../attestation/receipt/tree-head.js';
import type { SigningKey } from './keys.js';
import { type LogOptions, MerkleLog } from './log.js';
import { nativeSha256Once } from './sha256.js';
import type { TreeSnapshot } from './tree-snapshot.js';

/** Entries after which a head is published again. */
const HEAD_INTERVAL = 256;

interface Waiting {
  readonly index: number;
  readonly resolve: (place: LogPlace) => void;
  readonly reject: (reason: unknown) => void;
}

interface Head {
  readonly signed: SignedTreeHead;
  readonly tree: TreeSnapshot;
}

/**
 * Appends claims to the epoch's log and answers with receipts. Group commit: while one head is being
 * signed further claims gather, and the next head covers them all. One alone is signed at once; there
 * is no timer. An entry whose signing failed stays in the log, and its caller gets the error.
 */
export class Issuer {
  readonly #log: MerkleLog;
  readonly #key: SigningKey;
  #head: Head;
  #waiting: Waiting[] = [];
  #signing = false;
  #signatures = 1;

  private constructor(key: SigningKey, log: MerkleLog, head: Head) {
    this.#key = key;
    this.#log = log;
    this.#head = head;
  }

  /** Starts a log with its first entry, signs it, and publishes it, so that a folder in vain is told at once. */
  static async start(
    key: SigningKey,
    first: Uint8Array,
    options: LogOptions = {},
  ): Promise<Issuer> {
    const log = new MerkleLog(options);
    log.append(first);
    const issuer = new Issuer(key, log, await signHead(key, log));
    issuer.#publish();
    return issuer;
  }

  /** Appends the claims of an inference; resolves as `append` does. */
  issue(claims: Uint8Array): Promise<Uint8Array> {
    return this.append(claimsEntry(claims, nativeSha256Once));
  }

  /** Appends an entry; resolves to its COSE Receipt once a signed head covers it. */
  async append(entry: Uint8Array): Promise<Uint8Array> {
    const { head, index, path } = await this.place(entry);
    return encodeReceipt(head, index, path);
  }

  /** Appends an entry; resolves to its place once a signed head covers it. */
  place(entry: Uint8Array): Promise<LogPlace> {
    const index = this.#log.append(entry);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ index, resolve, reject });
      if (!this.#signing) void this.#sign();
    });
  }

  async #sign(): Promise<void> {
    this.#signing = true;
    await turnEnd();
    while (this.#waiting.length > 0) {
      const group = this.#waiting;
      this.#waiting = [];
      try {
        const before = this.#head.tree.size;
        this.#head = await signHead(this.#key, this.#log);
        this.#signatures += 1;
        const { signed, tree } = this.#head;
        if (Math.floor(tree.size / HEAD_INTERVAL) > Math.floor(before / HEAD_INTERVAL)) {
          this.#publish();
        }
        for (const { index, resolve } of group) {
          resolve({ head: signed, index, path: tree.inclusionPath(index) });
        }
      } catch (error) {
        for (const { reject } of group) reject(error);
      }
    }
    this.#signing = false;
  }

  /** Entries in the log, those of manifests included, and heads signed. */
  get counts(): { readonly entries: number; readonly heads: number } {
    return { entries: this.#log.size, heads: this.#signatures };
  }

  /** Hands the newest signed head to the log's archive, with all that it takes to check it. */
  #publish(): void {
    this.#log.publish(this.#head.signed.size, this.treeHead());
  }

  /** Publishes the last head; to be called when nothing is issued any more. */
  async close(): Promise<void> {
    this.#publish();
    await this.#log.flushed();
  }

  /** The newest signed head. */
  treeHead(): Uint8Array {
    return encodeTreeHead(this.#head.signed);
  }

  /** Receipt for any entry at the newest signed head; throws MERKLE_INDEX. */
  inclusion(index: number): Uint8Array {
    const { signed, tree } = this.#head;
    return encodeReceipt(signed, index, tree.inclusionPath(index));
  }

  /**
   * The newest signed head and the proof that it extends the tree of `oldSize`, empty if that is its
   * own size; throws MERKLE_INDEX.
   */
  consistency(oldSize: number): { readonly treeHead: Uint8Array; readonly proof: Uint8Array } {
    const { signed, tree } = this.#head;
    const path = tree.consistencyPath(oldSize);
    return {
      treeHead: this.treeHead(),
      proof: path.length === 0 ? new Uint8Array() : encodeConsistency(signed, oldSize, path),
    };
  }
}

/** Resolves when all that one message of a worker brought has been appended: it shares a head. */
function turnEnd(): Promise<void> {
  return new Promise((resolve) => process.nextTick(resolve));
}

async function signHead(key: SigningKey, log: MerkleLog): Promise<Head> {
  const tree = log.at(log.size);
  const protectedBytes = encodeTreeHeadHeader({ size: tree.size, keyId: key.id });
  const signature = await key.sign(treeHeadInput(protectedBytes, tree.root));
  const { size, root } = tree;
  return { signed: { size, keyId: key.id, root, protectedBytes, signature }, tree };
}
