import { AssayError } from '../attestation/encoding/error.js';
import { merkleHashes } from '../attestation/encoding/merkle.js';
import { nativeSha256Once } from '../src/system/sha256.js';
import { TreeSnapshot } from './tree-snapshot.js';

const { nodeHash } = merkleHashes(nativeSha256Once);

const HASH = 32;
/** Heights of a tree whose size is a safe integer. */
const HEIGHTS = 53;
/** Newest leaves that the memory keeps until they are taken. */
const KEPT = 2 ** 16;

/**
 * The complete subtrees that those leaves end, at most:
 * themselves, half as many, and so on, one more of each height.
 */
const RING = 2 * KEPT + HEIGHTS;

/** The memory: a lock, two counters, two states of the range, the hashes of the newest leaves. */
const COUNTERS = 8;
const STATES = 64;
const STATE = HEIGHTS * HASH;
const HASHES = STATES + 2 * STATE;

/** Roots of complete subtrees of one height, from the index `first`. */
interface Level {
  readonly first: number;
  readonly hashes: Uint8Array[];
}

/** A leaf of the log, with what whoever appended it has computed. */
export interface Leaf {
  readonly hash: Uint8Array;
  /** Of the complete subtrees that it ends, from below. */
  readonly roots: readonly Uint8Array[];
}

/** What an append did. */
export interface Extension {
  /** Index of the first of the leaves. */
  readonly first: number;
  /** The tree with the last of them: its root, and the inclusion paths of these leaves alone. */
  readonly tree: TreeSnapshot;
}

/**
 * The edge of an append-only log in memory that threads share: the roots of the complete subtrees that a
 * tree of its size consists of (a compact range from 0), which is all that it takes to append, and to
 * prove what was appended. One thread appends at a time. It may end at any instruction: what it had not
 * finished then never happened, and whoever hears of its end calls `release`.
 */
export class SharedRange {
  readonly #owner: number;
  readonly #lock: Int32Array<SharedArrayBuffer>;
  /** [0] twice the size, plus the number of the valid state; [1] the leaves that were taken. */
  readonly #counters: BigInt64Array<SharedArrayBuffer>;
  readonly #bytes: Uint8Array<SharedArrayBuffer>;

  /** Memory of an empty log. */
  static allocate(): SharedArrayBuffer {
    return new SharedArrayBuffer(HASHES + RING * HASH);
  }

  /** @param thread the calling thread's `threadId`. */
  constructor(memory: SharedArrayBuffer, thread: number) {
    this.#owner = thread + 1;
    this.#lock = new Int32Array(memory, 0, 1);
    this.#counters = new BigInt64Array(memory, COUNTERS, 2);
    this.#bytes = new Uint8Array(memory);
  }

  /** Leaves in the log. */
  get size(): number {
    return Number(Atomics.load(this.#counters, 0) >> 1n);
  }

  /**
   * Appends leaves, one at least, next to each other. Undefined while another thread appends: try again,
   * after `wait` where the thread may be blocked. Throws MERKLE_PRUNED where too many were not taken yet.
   */
  tryExtend(leaves: readonly Uint8Array[]): Extension | undefined {
    if (Atomics.compareExchange(this.#lock, 0, 0, this.#owner) !== 0) return undefined;
    try {
      return this.#extend(leaves);
    } finally {
      this.#unlock(this.#owner);
    }
  }

  /** Blocks until nobody appends. */
  wait(): void {
    const owner = Atomics.load(this.#lock, 0);
    if (owner !== 0) Atomics.wait(this.#lock, 0, owner);
  }

  /** A thread has ended: if it was appending, others may. */
  release(thread: number): void {
    this.#unlock(thread + 1);
  }

  /** The leaves that were not taken before, in order. For one thread. */
  take(): Leaf[] {
    const { size } = this;
    const taken = Number(this.#counters[1]);
    const leaves: Leaf[] = [];
    let stored = subtrees(taken);
    const next = (): Uint8Array => {
      const at = place(stored++);
      return this.#bytes.slice(at, at + HASH);
    };
    for (let i = taken; i < size; i++) {
      const hash = next();
      const roots: Uint8Array[] = [];
      for (let node = i + 1; node % 2 === 0; node /= 2) roots.push(next());
      leaves.push({ hash, roots });
    }
    Atomics.store(this.#counters, 1, BigInt(size));
    return leaves;
  }

  #unlock(owner: number): void {
    Atomics.compareExchange(this.#lock, 0, owner, 0);
    Atomics.notify(this.#lock, 0, 1);
  }

  #extend(leaves: readonly Uint8Array[]): Extension {
    const counter = Atomics.load(this.#counters, 0);
    const size = Number(counter >> 1n);
    const valid = Number(counter & 1n);
    if (size + leaves.length - Number(Atomics.load(this.#counters, 1)) > KEPT) {
      throw new AssayError('MERKLE_PRUNED', `more than ${KEPT} entries wait for the log`);
    }
    const levels = this.#levels(size, valid);
    let stored = subtrees(size);
    const store = (hash: Uint8Array): void => this.#bytes.set(hash, place(stored++));
    leaves.forEach((leaf) => {
      append(levels, leaf, store);
    });
    const grown = size + leaves.length;
    for (const [height, { first, hashes }] of levels.entries()) {
      const edge = (first + hashes.length) % 2 === 1 ? hashes.at(-1) : undefined;
      if (edge !== undefined) this.#bytes.set(edge, STATES + (1 - valid) * STATE + height * HASH);
    }
    Atomics.store(this.#counters, 0, BigInt(grown) * 2n + BigInt(1 - valid));
    const tree = new TreeSnapshot(grown, (height, index) => {
      const level = levels[height];
      const hash = level?.hashes[index - level.first];
      if (hash !== undefined) return hash;
      throw new AssayError('MERKLE_INDEX', `no complete subtree ${index} of height ${height}`);
    });
    return { first: size, tree };
  }

  /** The range as it is, to be appended to. */
  #levels(size: number, valid: number): Level[] {
    const levels: Level[] = [];
    for (let complete = size; complete > 0; complete = Math.floor(complete / 2)) {
      const at = STATES + valid * STATE + levels.length * HASH;
      const hashes = complete % 2 === 1 ? [this.#bytes.slice(at, at + HASH)] : [];
      levels.push({ first: complete - hashes.length, hashes });
    }
    return levels;
  }
}

/** Complete subtrees in a tree of so many leaves, the leaves among them. */
function subtrees(leaves: number): number {
  let count = 0;
  for (let complete = leaves; complete > 0; complete = Math.floor(complete / 2)) count += complete;
  return count;
}

/** Offset of the hash with this number, in the order in which subtrees become complete. */
const place = (stored: number): number => HASHES + (stored % RING) * HASH;

function append(levels: Level[], leaf: Uint8Array, store: (hash: Uint8Array) => void): void {
  let hash = leaf;
  for (let height = 0; ; height++) {
    const level = levels[height] ?? { first: 0, hashes: [] };
    levels[height] = level;
    level.hashes.push(hash);
    store(hash);
    const { first, hashes } = level;
    const left = hashes.at(-2);
    if ((first + hashes.length) % 2 === 1 || left === undefined) return;
    hash = nodeHash(left, hash);
  }
}
