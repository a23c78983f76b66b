import { fromUtf8 } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import type { Certificate } from '../encoding/x509.js';
import {
  type CollateralInput,
  parseTdxCollateral,
  type TdxCollateral,
} from '../endorsements/intel.js';

/** Entries of each kind; one platform needs one of either. */
const LIMIT = 64;

class Recent<T> {
  readonly #entries = new Map<string, T>();

  get(key: string, make: () => T): T {
    const known = this.#entries.get(key);
    if (known !== undefined) {
      this.#entries.delete(key);
      this.#entries.set(key, known);
      return known;
    }
    const value = make();
    this.#entries.set(key, value);
    const [oldest] = this.#entries.keys();
    if (this.#entries.size > LIMIT && oldest !== undefined) this.#entries.delete(oldest);
    return value;
  }
}

/**
 * Remembers what was parsed from which exact text, and with it (see `signedBy`) which signatures
 * held: a second quote of a platform then costs only its own signatures. Holds no verdict: roots,
 * dates and revocation are checked anew each time. Bounded; the least recently used goes first.
 */
export class TdxCache {
  readonly #chains = new Recent<readonly Certificate[]>();
  readonly #collateral = new Recent<TdxCollateral>();

  /** Certificates of this PEM text. */
  chain(pem: string, parse: () => readonly Certificate[]): readonly Certificate[] {
    return this.#chains.get(pem, parse);
  }

  /** Collateral of this text, or of these parts. */
  collateral(input: CollateralInput, known: readonly Certificate[]): TdxCollateral {
    const text = input instanceof Uint8Array ? readUtf8(input) : input;
    const key = typeof text === 'string' ? text : JSON.stringify(text);
    return this.#collateral.get(key, () => parseTdxCollateral(text, known));
  }
}

function readUtf8(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw new AssayError('COLLATERAL_JSON', 'expected the collateral to be UTF-8', cause);
  }
}
