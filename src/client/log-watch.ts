import { equalBytes } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { SignedTreeHead } from '../../attestation/receipt/tree-head.js';

/** Heads that are remembered between two audits. */
const MAX_HEADS = 1024;

/**
 * The tree heads that one relying party saw of one log. Two roots for one size are proof that the
 * enclave keeps two logs; heads of different sizes need a consistency proof, which `audit` of the
 * session fetches.
 */
export class LogWatch {
  readonly #heads = new Map<number, SignedTreeHead>();

  /** Remembers a verified head; throws RECEIPT_FORK if another root was seen at its size. */
  observe(head: SignedTreeHead): void {
    const known = this.#heads.get(head.size);
    if (known === undefined) {
      this.#heads.set(head.size, head);
      const [oldest] = this.#heads.keys();
      if (this.#heads.size > MAX_HEADS && oldest !== undefined) this.#heads.delete(oldest);
    } else if (!equalBytes(known.root, head.root)) {
      throw new AssayError(
        'RECEIPT_FORK',
        `two signed logs of ${head.size} entries differ: the enclave shows its callers different logs`,
      );
    }
  }

  /** The heads seen, from the smallest tree to the largest. */
  heads(): readonly SignedTreeHead[] {
    return [...this.#heads.values()].sort((a, b) => a.size - b.size);
  }

  /** Forgets a head: a proof has tied it to a larger one that is remembered. */
  settle(size: number): void {
    this.#heads.delete(size);
  }
}
