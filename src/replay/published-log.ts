import { join } from 'node:path';
import { equalBytes } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { merkleHashes } from '../../attestation/encoding/merkle.js';
import { MerkleFrontier } from '../../attestation/encoding/merkle-frontier.js';
import { HEAD_FILE, TILE_WIDTH, tilePath } from '../../attestation/receipt/tile-path.js';
import { decodeTreeHead, type SignedTreeHead } from '../../attestation/receipt/tree-head.js';
import { isMissing } from '../system/errno.js';
import { readRegular } from '../system/open-regular.js';
import { nativeSha256Once } from '../system/sha256.js';
import type { AuditedLog, LoggedReceipt } from './audited-log.js';

const { leafHash, nodeHash } = merkleHashes(nativeSha256Once);

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

/** Views, in order. */
function* leavesOf(tile: Uint8Array): Iterable<Uint8Array> {
  for (let at = 0; at < tile.length; at += HASH) yield tile.subarray(at, at + HASH);
}

/**
 * A log as an enclave publishes it (`receiptLog.directory`): its newest signed head, and every leaf that
 * the head covers. Whose key signed the head is yet to be told from evidence.
 */
export class PublishedLog implements AuditedLog {
  readonly head: SignedTreeHead;
  /** Of leaves: whole ones, the last as far as the head covers it. A leaf by itself takes four times as much. */
  readonly #tiles: readonly Uint8Array[];

  private constructor(head: SignedTreeHead, tiles: readonly Uint8Array[]) {
    this.head = head;
    this.#tiles = tiles;
  }

  /**
   * Reads all tiles of leaves, and recomputes the root from them: tiles that were changed, cut or
   * exchanged do not lead to it. Rejects with USAGE_FILE for files that are not there, RECEIPT_TILES for
   * those that do not make this tree, RECEIPT_… for a head that is none.
   */
  static async read(folder: string): Promise<PublishedLog> {
    const head = await readHead(folder);
    const tiles: Uint8Array[] = [];
    const tree = new MerkleFrontier(nodeHash);
    while (tree.size < head.size) {
      const width = Math.min(TILE_WIDTH, head.size - tree.size);
      const tile = await readTile(folder, tiles.length, width);
      tiles.push(tile);
      for (const leaf of leavesOf(tile)) tree.append(leaf);
    }
    if (!equalBytes(tree.root, head.root)) {
      broken(`the tiles do not lead to the root that was signed for ${head.size} entries`);
    }
    return new PublishedLog(head, tiles);
  }

  #leaf(index: number): Uint8Array | undefined {
    const start = (index % TILE_WIDTH) * HASH;
    const tile = this.#tiles[Math.floor(index / TILE_WIDTH)];
    return index < this.head.size ? tile?.subarray(start, start + HASH) : undefined;
  }

  async has(index: number, entry: Uint8Array): Promise<boolean> {
    const leaf = this.#leaf(index);
    return leaf !== undefined && equalBytes(leaf, leafHash(entry));
  }

  /** Roots of the tree at these sizes, of those that it has reached. */
  #rootsAt(sizes: ReadonlySet<number>): ReadonlyMap<number, Uint8Array> {
    const tree = new MerkleFrontier(nodeHash);
    const roots = new Map<number, Uint8Array>();
    for (const tile of this.#tiles) {
      for (const leaf of leavesOf(tile)) {
        tree.append(leaf);
        if (sizes.has(tree.size)) roots.set(tree.size, tree.root);
      }
    }
    return roots;
  }

  async *judge(receipts: readonly LoggedReceipt[]): AsyncIterable<AssayError | null> {
    const roots = this.#rootsAt(new Set(receipts.map(({ head }) => head.size)));
    yield* receipts.map(({ index, entry, head }) => {
      const leaf = this.#leaf(index);
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
