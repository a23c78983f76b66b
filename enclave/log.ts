import { equalBytes } from '../attestation/encoding/bytes.js';
import { AssayError } from '../attestation/encoding/error.js';
import { merkleHashes, merkleRoot } from '../attestation/encoding/merkle.js';
import { nativeSha256Once } from '../src/system/sha256.js';
import { TreeSnapshot } from './tree-snapshot.js';

const { nodeHash } = merkleHashes(nativeSha256Once);

const HASH = 32;
/** Hashes in one block of memory. */
const BLOCK = 4096;
/** Height of a tile, tlog-tiles (C2SP): 256 hashes, whose root is one hash of the level above. */
const TILE_HEIGHT = 8;
const TILE = 2 ** TILE_HEIGHT;

/** The newest head that an archive has, with its tiles. */
export interface PublishedHead {
  /** Entries that it covers; 0 before the first. */
  readonly size: number;
  /** When it was written; undefined before the first. */
  readonly at: Date | undefined;
}

/** Where complete tiles go, and come back from once memory has let go of them. */
export interface TileArchive {
  /**
   * A tile of 256 hashes, or fewer where the log ends: level 0 has the leaves, level 1 the roots of
   * level 0's tiles, and so on.
   */
  write(level: number, index: number, hashes: Uint8Array): void;
  /** A signed head of this many entries, whose tiles were all written before. */
  writeHead(head: Uint8Array, size: number): void;
  readonly published: PublishedHead;
  /** Resolves once everything was written. */
  flushed(): Promise<void>;
  /** A tile of leaves, as it was written; undefined if it cannot be had. What it says is checked. */
  read(index: number): Uint8Array | undefined;
}

export interface LogOptions {
  /** Newest entries whose every proof comes from memory, 64 bytes each; default 2^20. */
  readonly retain?: number;
  /** Absent: proofs for entries that memory has let go of are refused. */
  readonly archive?: TileArchive;
}

/** Roots of the complete subtrees of one height, in order, 32 bytes each in large blocks. */
class Level {
  readonly #blocks: (Uint8Array | undefined)[] = [];
  #length = 0;
  #dropped = 0;

  get length(): number {
    return this.#length;
  }

  push(hash: Uint8Array): void {
    const at = this.#length % BLOCK;
    if (at === 0) this.#blocks.push(new Uint8Array(BLOCK * HASH));
    this.#blocks.at(-1)?.set(hash, at * HASH);
    this.#length += 1;
  }

  /** A view; undefined beyond the end, and where it was dropped. */
  at(index: number): Uint8Array | undefined {
    if (index >= this.#length) return undefined;
    const start = (index % BLOCK) * HASH;
    return this.#blocks[Math.floor(index / BLOCK)]?.subarray(start, start + HASH);
  }

  /** Frees the blocks that lie wholly before an index. */
  dropBefore(index: number): void {
    const blocks = Math.floor(index / BLOCK);
    for (; this.#dropped < blocks; this.#dropped++) this.#blocks[this.#dropped] = undefined;
  }
}

/**
 * The epoch's append-only log: an RFC 9162 Merkle tree that keeps the roots of complete subtrees, all
 * of them for the newest entries, and only those of 256 entries and more for the others: memory is
 * bounded. Appending costs two hashes on average; roots and proofs of any size that the log has had
 * cost a logarithmic number.
 */
export class MerkleLog {
  readonly #levels: Level[] = [new Level()];
  readonly #retain: number;
  readonly #archive: TileArchive | undefined;
  /** The tile that was read last, once it was found to be the log's: a proof asks for it up to 8 times. */
  #tileRead: { readonly tile: number; readonly leaves: readonly Uint8Array[] } | undefined;

  constructor({ retain = 2 ** 20, archive }: LogOptions = {}) {
    this.#retain = retain;
    this.#archive = archive;
  }

  get size(): number {
    return this.#levels[0]?.length ?? 0;
  }

  /**
   * Appends a leaf and returns its index.
   * @param roots of the complete subtrees that it ends, from below; they are computed where they are not given.
   */
  append(leaf: Uint8Array, roots: readonly Uint8Array[] = []): number {
    let hash = leaf;
    const index = this.size;
    for (let height = 0; ; height++) {
      const level = this.#level(height);
      level.push(hash);
      if (height % TILE_HEIGHT === 0 && level.length % TILE === 0) this.#tile(height, level.length);
      if (level.length % 2 === 1) break;
      hash = roots[height] ?? nodeHash(this.#complete(height, level.length - 2), hash);
    }
    if (this.size % BLOCK === 0) this.#drop(this.size - this.#retain);
    return index;
  }

  /** The tree of the first `size` entries; throws MERKLE_INDEX if the log never had that size. */
  at(size: number): TreeSnapshot {
    if (!Number.isSafeInteger(size) || size < 1 || size > this.size) {
      throw new AssayError('MERKLE_INDEX', `the log has 1 to ${this.size} entries, never ${size}`);
    }
    return new TreeSnapshot(size, (height, index) => this.#complete(height, index));
  }

  #level(height: number): Level {
    const level = this.#levels[height] ?? new Level();
    this.#levels[height] = level;
    return level;
  }

  #drop(before: number): void {
    for (let height = 0; height < TILE_HEIGHT && before > 0; height++) {
      this.#levels[height]?.dropBefore(Math.floor(before / 2 ** height));
    }
  }

  /** Hands the tile that ends at `end`, complete or not, to the archive. */
  #tile(height: number, end: number): void {
    if (this.#archive === undefined) return;
    const index = Math.ceil(end / TILE) - 1;
    const first = index * TILE;
    const hashes = new Uint8Array((end - first) * HASH);
    for (let i = first; i < end; i++) hashes.set(this.#complete(height, i), (i - first) * HASH);
    this.#archive.write(height / TILE_HEIGHT, index, hashes);
  }

  /** Archives a signed head of this size with the incomplete tiles that it needs. */
  publish(size: number, head: Uint8Array): void {
    for (let height = 0, end = size; end > 0; height += TILE_HEIGHT) {
      if (end % TILE !== 0) this.#tile(height, end);
      end = Math.floor(end / TILE);
    }
    this.#archive?.writeHead(head, size);
  }

  /** Undefined without an archive. */
  get published(): PublishedHead | undefined {
    return this.#archive?.published;
  }

  /** Resolves once the archive has everything. */
  async flushed(): Promise<void> {
    await this.#archive?.flushed();
  }

  #complete(height: number, index: number): Uint8Array {
    const level = this.#levels[height];
    const hash = level?.at(index);
    if (hash !== undefined) return hash;
    if (level === undefined || index >= level.length) {
      throw new AssayError('MERKLE_INDEX', `no complete subtree ${index} of height ${height}`);
    }
    return this.#archived(height, index);
  }

  /** A subtree below the height of a tile that memory has let go of, from its tile of leaves. */
  #archived(height: number, index: number): Uint8Array {
    const width = 2 ** height;
    const tile = Math.floor((index * width) / TILE);
    const first = index * width - tile * TILE;
    return merkleRoot(this.#tileLeaves(tile).slice(first, first + width), nodeHash);
  }

  /** The leaves of a tile that the archive gives back, which are this log's; throws MERKLE_PRUNED. */
  #tileLeaves(tile: number): readonly Uint8Array[] {
    if (this.#tileRead?.tile === tile) return this.#tileRead.leaves;
    const bytes = this.#archive?.read(tile);
    if (bytes === undefined || bytes.length !== TILE * HASH) {
      throw new AssayError(
        'MERKLE_PRUNED',
        `entries ${tile * TILE} and following are older than the log keeps`,
      );
    }
    const leaves = Array.from({ length: TILE }, (_, i) => bytes.subarray(i * HASH, (i + 1) * HASH));
    if (!equalBytes(merkleRoot(leaves, nodeHash), this.#complete(TILE_HEIGHT, tile))) {
      throw new AssayError('MERKLE_PRUNED', `the archived tile ${tile} is not the one of this log`);
    }
    this.#tileRead = { tile, leaves };
    return leaves;
  }
}
