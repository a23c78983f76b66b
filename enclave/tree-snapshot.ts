import { AssayError } from '../attestation/encoding/error.js';
import { merkleHashes } from '../attestation/encoding/merkle.js';
import { nativeSha256Once } from '../src/system/sha256.js';

const { nodeHash } = merkleHashes(nativeSha256Once);

/** Exponent of the largest power of two that is not above a size of 1 or more. */
function heightOf(size: number): number {
  return size < 2 ** 31 ? 31 - Math.clz32(size) : Math.floor(Math.log2(size));
}

/** The largest power of two below `size` (at least 2). */
function split(size: number): number {
  return 2 ** heightOf(size - 1);
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
    const height = heightOf(length);
    if (2 ** height === length) return this.#complete(height, start / length);
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
    let [node, nodes, width] = [index, this.size, 1];
    for (let height = 0; nodes > 1; height++) {
      const sibling = node % 2 === 0 ? node + 1 : node - 1;
      // The last node of a level with an odd number of them has no sibling: it moves up as it is.
      if (sibling < nodes) {
        const complete = (sibling + 1) * width <= this.size;
        path.push(
          complete ? this.#complete(height, sibling) : this.#range(sibling * width, this.size),
        );
      }
      node = Math.floor(node / 2);
      nodes = Math.ceil(nodes / 2);
      width *= 2;
    }
    return path;
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
