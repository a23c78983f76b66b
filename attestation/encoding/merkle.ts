import { equalBytes } from './bytes.js';
import { AssayError } from './error.js';
import { type Sha256Once, sha256 } from './hash.js';

const LEAF = Uint8Array.of(0);
const NODE = Uint8Array.of(1);
const MAX_PATH = 64;

/** The two hashes of RFC 9162 section 2.1.1. */
export interface MerkleHashes {
  /** Of a leaf's contents. */
  readonly leafHash: (contents: Uint8Array) => Uint8Array;
  /** Of an inner node. */
  readonly nodeHash: (left: Uint8Array, right: Uint8Array) => Uint8Array;
}

/** The hashes over another implementation of SHA-256. */
export function merkleHashes(hash: Sha256Once): MerkleHashes {
  return {
    leafHash: (contents) => hash(LEAF, contents),
    nodeHash: (left, right) => hash(NODE, left, right),
  };
}

/** Hash of a leaf's contents, RFC 9162 section 2.1.1. */
export function leafHash(contents: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256(LEAF, contents);
}

/** Hash of an inner node, RFC 9162 section 2.1.1. */
export function nodeHash(left: Uint8Array, right: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256(NODE, left, right);
}

/** The largest power of two below `size` (`size` at least 2). */
function splitPoint(size: number): number {
  let k = 1;
  while (k * 2 < size) k *= 2;
  return k;
}

/**
 * Root of the tree over these leaf hashes; the empty tree's root is the hash of nothing.
 * @param hash of two nodes; default: the portable one.
 */
export function merkleRoot(
  leaves: readonly Uint8Array[],
  hash: MerkleHashes['nodeHash'] = nodeHash,
): Uint8Array<ArrayBuffer> {
  const [first] = leaves;
  if (first === undefined) return sha256();
  if (leaves.length === 1) return new Uint8Array(first);
  const k = splitPoint(leaves.length);
  const [left, right] = [leaves.slice(0, k), leaves.slice(k)];
  return new Uint8Array(hash(merkleRoot(left, hash), merkleRoot(right, hash)));
}

/** Root and every leaf's inclusion path at once, in n log n steps. */
export function inclusionPaths(leaves: readonly Uint8Array[]): {
  readonly root: Uint8Array<ArrayBuffer>;
  readonly paths: readonly (readonly Uint8Array[])[];
} {
  const paths: Uint8Array[][] = leaves.map(() => []);
  const build = (start: number, end: number): Uint8Array<ArrayBuffer> => {
    if (end - start < 2) return merkleRoot(leaves.slice(start, end));
    const middle = start + splitPoint(end - start);
    const [left, right] = [build(start, middle), build(middle, end)];
    for (let i = start; i < end; i++) paths[i]?.push(i < middle ? right : left);
    return nodeHash(left, right);
  };
  return { root: build(0, leaves.length), paths };
}

function assertPosition(index: number, size: number): void {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) {
    throw new AssayError('MERKLE_INDEX', `leaf ${index} is not in a tree of ${size}`);
  }
}

/** Whether a decoded value is a node of a path. */
export function isNode(value: unknown): value is Uint8Array {
  return value instanceof Uint8Array && value.length === 32;
}

function assertPath(path: readonly Uint8Array[]): void {
  if (path.length > MAX_PATH || !path.every(isNode)) {
    throw new AssayError('MERKLE_PATH', `expected at most ${MAX_PATH} nodes of 32 bytes each`);
  }
}

/**
 * Root that a leaf and its inclusion path lead to, RFC 9162 section 2.1.3.2. The caller compares it
 * with a root that it trusts. Throws MERKLE_PATH if the path has the wrong length for the position.
 */
export function rootFromInclusion(
  leaf: Uint8Array,
  index: number,
  size: number,
  path: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  assertPosition(index, size);
  assertPath(path);
  let fn = index;
  let sn = size - 1;
  let root = new Uint8Array(leaf);
  for (const node of path) {
    if (sn === 0) {
      throw new AssayError('MERKLE_PATH', 'the inclusion path is longer than the tree is high');
    }
    if (fn % 2 === 1 || fn === sn) {
      root = nodeHash(node, root);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = Math.floor(sn / 2);
      }
    } else {
      root = nodeHash(root, node);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  if (sn !== 0) {
    throw new AssayError('MERKLE_PATH', 'the inclusion path is shorter than the tree is high');
  }
  return root;
}

/**
 * Verifies that the tree of `newSize` extends the tree of `oldSize`, RFC 9162 section 2.1.4.2.
 * Throws MERKLE_CONSISTENCY if it does not: a leaf was dropped, moved or rewritten; MERKLE_PATH if the path is
 * too long for any tree or has nodes of another size. No tree is shown to extend one without leaves.
 */
export function assertConsistent(
  oldRoot: Uint8Array,
  oldSize: number,
  newRoot: Uint8Array,
  newSize: number,
  path: readonly Uint8Array[],
): void {
  assertPath(path);
  const fail = (reason: string): never => {
    throw new AssayError('MERKLE_CONSISTENCY', `the log is not append-only: ${reason}`);
  };
  const areSizes = [oldSize, newSize].every(Number.isSafeInteger);
  if (!areSizes || oldSize < 1 || oldSize > newSize) {
    fail(`expected an older tree of 1 to ${newSize} leaves, not ${oldSize}`);
  }
  if (oldSize === newSize) {
    if (path.length !== 0) fail('a proof between equal sizes must be empty');
    if (!equalBytes(oldRoot, newRoot)) fail('two roots for one size');
    return;
  }
  const nodes = [...path];
  let fn = oldSize - 1;
  let sn = newSize - 1;
  while (fn % 2 === 1) {
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  const seed = fn === 0 ? oldRoot : nodes.shift();
  if (seed === undefined)
    throw new AssayError('MERKLE_CONSISTENCY', 'the log is not append-only: the proof is empty');
  let fr = new Uint8Array(seed);
  let sr = new Uint8Array(seed);
  for (const node of nodes) {
    if (sn === 0) fail('the proof is longer than the tree is high');
    if (fn % 2 === 1 || fn === sn) {
      fr = nodeHash(node, fr);
      sr = nodeHash(node, sr);
      while (fn % 2 === 0 && fn !== 0) {
        fn /= 2;
        sn = Math.floor(sn / 2);
      }
    } else {
      sr = nodeHash(sr, node);
    }
    fn = Math.floor(fn / 2);
    sn = Math.floor(sn / 2);
  }
  if (sn !== 0) fail('the proof is shorter than the tree is high');
  if (!equalBytes(fr, oldRoot)) fail('the proof does not lead to the older root');
  if (!equalBytes(sr, newRoot)) fail('the proof does not lead to the newer root');
}
