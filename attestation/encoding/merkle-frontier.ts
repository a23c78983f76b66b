import { sha256 } from './hash.js';
import { type MerkleHashes, nodeHash } from './merkle.js';

/** A growing RFC 9162 tree of which only the roots of complete subtrees are kept: logarithmic memory. */
export class MerkleFrontier {
  /** From the largest subtree, at the left, to the smallest. */
  readonly #complete: Uint8Array[] = [];
  readonly #hash: MerkleHashes['nodeHash'];
  #size = 0;

  /** @param hash of two nodes; default: the portable one. */
  constructor(hash: MerkleHashes['nodeHash'] = nodeHash) {
    this.#hash = hash;
  }

  get size(): number {
    return this.#size;
  }

  /** Appends the hash of a leaf. */
  append(leaf: Uint8Array): void {
    let hash = leaf;
    for (let left = this.#size; left % 2 === 1; left = (left - 1) / 2) {
      hash = this.#hash(this.#complete.pop() ?? hash, hash);
    }
    this.#complete.push(hash);
    this.#size += 1;
  }

  /** Root over all leaves so far; the empty tree's is the hash of nothing. */
  get root(): Uint8Array {
    const [last, ...others] = this.#complete.toReversed();
    return others.reduce((root, left) => this.#hash(left, root), last ?? sha256());
  }
}
