import { AssayError } from '../attestation/encoding/error.js';
import { leafHash, nodeHash } from '../attestation/encoding/merkle.js';

const HASH = 32;
/** Hashes in one block of memory. */
const BLOCK = 4096;

/** Roots of the complete subtrees of one height, in order, 32 bytes each in large blocks. */
class Level {
  readonly #blocks: Uint8Array[] = [];
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(hash: Uint8Array): void {
    const at = this.#length % BLOCK;
    if (at === 0) this.#blocks.push(new Uint8Array(BLOCK * HASH));
    this.#blocks.at(-1)?.set(hash, at * HASH);
    this.#length += 1;
  }

  /** A view; undefined beyond the end. */
  at(index: number): Uint8Array | undefined {
    if (index >= this.#length) return undefined;
    const start = (index % BLOCK) * HASH;
    return this.#blocks[Math.floor(index / BLOCK)]?.subarray(start, start + HASH);
  }
}

/** The largest power of two below `size`, and its exponent (`size` at least 2). */
function split(size: number): number {
  return 2 ** (Math.ceil(Math.log2(size)) - 1);
}

/**
 * The epoch's append-only log: an RFC 9162 Merkle tree that keeps the root of every complete subtree,
 * 64 bytes for each entry. Appending costs two hashes on average; roots and proofs of any size that
 * the log has had cost a logarithmic number. In memory alone: an epoch ends with the process.
 */
export class MerkleLog {
  readonly #levels: Level[] = [new Level()];

  get size(): number {
    return this.#levels[0]?.length ?? 0;
  }

  /** Appends an entry and returns its index. */
  append(entry: Uint8Array): number {
    let hash = leafHash(entry);
    const index = this.size;
    for (let height = 0; ; height++) {
      const level = this.#level(height);
      level.push(hash);
      if (level.length % 2 === 1) return index;
      hash = nodeHash(this.#complete(height, level.length - 2), hash);
    }
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

  #complete(height: number, index: number): Uint8Array {
    const hash = this.#levels[height]?.at(index);
    if (hash === undefined) {
      throw new AssayError('MERKLE_INDEX', `no complete subtree ${index} of height ${height}`);
    }
    return hash;
  }
}

/**
 * The tree at one size. The roots of its incomplete subtrees, at most one a height, are computed once
 * and shared by all the proofs that are made from it.
 */
export class TreeSnapshot {
  readonly size: number;
  readonly #complete: (height: number, index: number) => Uint8Array;
  readonly #edge = new Map<number, Uint8Array>();

  constructor(size: number, complete: (height: number, index: number) => Uint8Array) {
    this.size = size;
    this.#complete = complete;
  }

  get root(): Uint8Array {
    return this.#range(0, this.size);
  }

  /** Root over the entries from `start` to before `end`; `end - start` is 2^k, or `end` the size. */
  #range(start: number, end: number): Uint8Array {
    const length = end - start;
    const height = Math.log2(length);
    if (Number.isInteger(height)) return this.#complete(height, start / length);
    const known = this.#edge.get(start);
    if (known !== undefined) return known;
    const middle = start + split(length);
    const hash = nodeHash(this.#range(start, middle), this.#range(middle, end));
    this.#edge.set(start, hash);
    return hash;
  }

  /** Inclusion path of entry `index`, RFC 9162 section 2.1.3.1, from the leaf upwards. */
  inclusionPath(index: number): Uint8Array[] {
    if (!Number.isSafeInteger(index) || index < 0 || index >= this.size) {
      throw new AssayError('MERKLE_INDEX', `entry ${index} is not in a tree of ${this.size}`);
    }
    const path: Uint8Array[] = [];
    let [start, end] = [0, this.size];
    while (end - start > 1) {
      const middle = start + split(end - start);
      if (index < middle) {
        path.push(this.#range(middle, end));
        end = middle;
      } else {
        path.push(this.#range(start, middle));
        start = middle;
      }
    }
    return path.reverse();
  }

  /** Consistency proof from the first `oldSize` entries, RFC 9162 section 2.1.4.1. */
  consistencyPath(oldSize: number): Uint8Array[] {
    if (!Number.isSafeInteger(oldSize) || oldSize < 1 || oldSize > this.size) {
      throw new AssayError('MERKLE_INDEX', `no tree of ${oldSize} precedes one of ${this.size}`);
    }
    const path: Uint8Array[] = [];
    let [start, end] = [0, this.size];
    while (oldSize !== end) {
      const middle = start + split(end - start);
      if (oldSize <= middle) {
        path.push(this.#range(middle, end));
        end = middle;
      } else {
        path.push(this.#range(start, middle));
        start = middle;
      }
    }
    if (start !== 0) path.push(this.#range(start, end));
    return path.reverse();
  }
}
