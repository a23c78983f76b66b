import { equalBytes } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { SignedTreeHead } from '../../attestation/receipt/tree-head.js';

/** Heads that are remembered until they are proven. */
export const MAX_HEADS = 1024;

/**
 * The tree heads that one relying party saw of one log. Two roots for one size are proof that the
 * enclave keeps two logs; heads of different sizes need a consistency proof, which `audit` of the
 * session fetches.
 */
export class LogWatch {
  readonly #heads = new Map<number, SignedTreeHead>();
  #dropped = 0;

  /** Heads that were forgotten before anything was proven of them: there were too many. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Remembers a verified head; throws RECEIPT_FORK if another root was seen at its size. */
  observe(head: SignedTreeHead): void {
    this.#assertSame(head);
    if (this.#heads.has(head.size)) return;
    this.#heads.set(head.size, head);
    const [oldest] = this.#heads.keys();
    if (this.#heads.size > MAX_HEADS && oldest !== undefined) {
      this.#heads.delete(oldest);
      this.#dropped += 1;
    }
  }

  #assertSame({ size, root }: SignedTreeHead): void {
    const known = this.#heads.get(size);
    if (known === undefined || equalBytes(known.root, root)) return;
    throw new AssayError(
      'RECEIPT_FORK',
      `two signed logs of ${size} entries differ: the enclave shows its callers different logs`,
    );
  }

  /** The heads seen, from the smallest tree to the largest. */
  heads(): readonly SignedTreeHead[] {
    return [...this.#heads.values()].sort((a, b) => a.size - b.size);
  }

  /** Remembers a head in place of an older one that a proof has tied to it; throws as `observe`. */
  settle(older: SignedTreeHead, newer: SignedTreeHead): void {
    this.#assertSame(older);
    this.#assertSame(newer);
    this.#heads.delete(older.size);
    this.observe(newer);
  }
}
