import { join } from 'node:path';
import { equalBytes } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { leafHash } from '../../attestation/encoding/merkle.js';
import { MerkleFrontier } from '../../attestation/encoding/merkle-frontier.js';
import { HEAD_FILE, TILE_WIDTH, tilePath } from '../../attestation/receipt/tile-path.js';
import { decodeTreeHead, type SignedTreeHead } from '../../attestation/receipt/tree-head.js';
import { isMissing } from '../system/errno.js';
import { readRegular } from '../system/open-regular.js';
import type { AuditedLog, LoggedReceipt } from './audited-log.js';

const HASH = 32;
const MAX_HEAD = 64 * 1024;
const MAX_TILE = TILE_WIDTH * HASH;

function broken(message: string, cause?: unknown): never {
  throw new AssayError('RECEIPT_TILES', message, cause);
}

async function readHead(folder: string): Promise<SignedTreeHead> {
  const bytes = await readRegular(join(folder, HEAD_FILE), MAX_HEAD).catch((cause: unknown) => {
    throw new AssayError('USAGE_FILE', `${folder} has no readable ${HEAD_FILE}`, cause);
  });
  return decodeTreeHead(bytes);
}

/** A tile of leaves; of one that was incomplete at the head's time, a later, longer one will do. */
async function readTile(folder: string, index: number, width: number): Promise<Uint8Array> {
  const own = join(folder, tilePath(0, index, width));
  const whole = join(folder, tilePath(0, index));
  const bytes = await readRegular(own, MAX_TILE)
    .catch((cause: unknown) => {
      if (isMissing(cause)) return readRegular(whole, MAX_TILE);
      throw cause;
    })
    .catch((cause: unknown) => {
      throw new AssayError(
        'USAGE_FILE',
        `${folder} has no readable ${tilePath(0, index, width)}`,
        cause,
      );
    });
  if (bytes.length < width * HASH) broken(`tile ${index} has fewer than ${width} hashes`);
  return bytes.subarray(0, width * HASH);
}

/**
 * A log as an enclave publishes it (`receiptLog.directory`): its newest signed head, and every leaf that
 * the head covers. Whose key signed the head is yet to be told from evidence.
 */
export class PublishedLog implements AuditedLog {
  readonly head: SignedTreeHead;
  readonly #leaves: readonly Uint8Array[];

  private constructor(head: SignedTreeHead, leaves: readonly Uint8Array[]) {
    this.head = head;
    this.#leaves = leaves;
  }

  /**
   * Reads all tiles of leaves, and recomputes the root from them: tiles that were changed, cut or
   * exchanged do not lead to it. Rejects with USAGE_FILE for files that are not there, RECEIPT_TILES for
   * those that do not make this tree, RECEIPT_… for a head that is none.
   */
  static async read(folder: string): Promise<PublishedLog> {
    const head = await readHead(folder);
    const leaves: Uint8Array[] = [];
    const tree = new MerkleFrontier();
    for (let index = 0; tree.size < head.size; index++) {
      const width = Math.min(TILE_WIDTH, head.size - tree.size);
      const tile = await readTile(folder, index, width);
      for (let i = 0; i < width; i++) {
        const leaf = tile.subarray(i * HASH, (i + 1) * HASH);
        leaves.push(leaf);
        tree.append(leaf);
      }
    }
    if (!equalBytes(tree.root, head.root)) {
      broken(`the tiles do not lead to the root that was signed for ${head.size} entries`);
    }
    return new PublishedLog(head, leaves);
  }

  async has(index: number, entry: Uint8Array): Promise<boolean> {
    const leaf = this.#leaves[index];
    return leaf !== undefined && equalBytes(leaf, leafHash(entry));
  }

  /** Roots of the tree at these sizes, of those that it has reached. */
  #rootsAt(sizes: ReadonlySet<number>): ReadonlyMap<number, Uint8Array> {
    const tree = new MerkleFrontier();
    const roots = new Map<number, Uint8Array>();
    for (const leaf of this.#leaves) {
      tree.append(leaf);
      if (sizes.has(tree.size)) roots.set(tree.size, tree.root);
    }
    return roots;
  }

  async *judge(receipts: readonly LoggedReceipt[]): AsyncIterable<AssayError | null> {
    const roots = this.#rootsAt(new Set(receipts.map(({ head }) => head.size)));
    yield* receipts.map(({ index, entry, head }) => {
      const leaf = this.#leaves[index];
      const root = roots.get(head.size);
      if (root !== undefined && !equalBytes(root, head.root)) {
        return new AssayError(
          'RECEIPT_FORK',
          `the enclave signed another log of ${head.size} entries than the published one`,
        );
      }
      if (leaf === undefined || equalBytes(leaf, leafHash(entry))) return null;
      return new AssayError('RECEIPT_FORK', `the published log has another entry at ${index}`);
    });
  }

  /** Every leaf was read, and they lead to the one root: nothing is left to prove. */
  async settle(): Promise<void> {}
}
