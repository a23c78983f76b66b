import { fromUtf8 } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import type { Certificate } from '../encoding/x509.js';
import {
  COLLATERAL_MEMBERS,
  type CollateralInput,
  type CollateralText,
  parseTdxCollateral,
  readCollateralText,
  type TdxCollateral,
} from '../endorsements/intel.js';
import { Recent } from './recent.js';
import type { OpenedKey, PendingSignature } from './signatures.js';

/** Entries of each kind; one platform needs one of either. */
const LIMIT = 64;
/**
 * Characters of collateral that is remembered: it is before any of its signatures is checked. Genuine
 * collateral has 20 thousand; longer one is read each time.
 */
const MAX_REMEMBERED = 256 * 1024;
/** Far more than Intel has: PCK CAs and TCB signing certificates. */
const MAX_AUTHORITIES = 16;

/** Collateral and what it was parsed from. */
interface KnownCollateral {
  readonly text: CollateralText;
  readonly parsed: TdxCollateral;
}

/** A quoting enclave's attestation key, and whether the PCK signed the report that names it. */
export interface KnownEnclave {
  /** Of the PCK certificate: another one must sign anew. */
  readonly leaf: Certificate;
  readonly key: OpenedKey;
  readonly certified: PendingSignature['holds'];
}

/**
 * Remembers what was parsed from which exact text, and with it (see `signedBy`) which signatures
 * held: a second quote of a platform then costs only its own signatures. Holds no verdict: roots,
 * dates and revocation are checked anew each time. Bounded; the least recently used goes first.
 */
export class TdxCache {
  readonly #chains = new Recent<readonly Certificate[]>(LIMIT);
  readonly #files = new Recent<CollateralText>(LIMIT);
  readonly #collateral = new Recent<KnownCollateral>(LIMIT);
  readonly #enclaves = new Recent<KnownEnclave>(LIMIT);
  readonly #authorities: Certificate[] = [];

  /**
   * Intermediates that a root was found to have signed: parsing one of them again would give another
   * object, and its key and signature would be established anew.
   */
  get authorities(): readonly Certificate[] {
    return this.#authorities;
  }

  /** Remembers intermediates after their signatures held. */
  remember(authorities: readonly Certificate[]): void {
    const known = this.#authorities;
    known.push(...authorities.filter((certificate) => !known.includes(certificate)));
    known.splice(0, Math.max(0, known.length - MAX_AUTHORITIES));
  }

  /** Certificates of this PEM text. */
  chain(pem: string, parse: () => readonly Certificate[]): readonly Certificate[] {
    return this.#chains.get(pem, parse);
  }

  /**
   * The quoting enclave with this attestation key, report and signature, as one text: it keeps them
   * for as long as it keeps its key, so that the quotes of a platform share them. One whose signature
   * could not be checked is not kept.
   */
  enclave(text: string, leaf: Certificate, make: () => KnownEnclave): KnownEnclave {
    const enclave = this.#enclaves.get(text, make, (known) => known.leaf === leaf);
    const { key, certified } = enclave;
    for (const each of [key, certified]) {
      if (each instanceof Promise) each.catch(() => this.#enclaves.forget(text));
    }
    return enclave;
  }

  /** Members of this collateral file. */
  members(input: CollateralInput): CollateralText {
    const file = input instanceof Uint8Array ? readUtf8(input) : input;
    if (typeof file !== 'string') return file;
    if (file.length > MAX_REMEMBERED) return readCollateralText(file);
    return this.#files.get(file, () => readCollateralText(file));
  }

  /** Collateral of these members; that of platforms with another PCK chain is no other. */
  collateral(text: CollateralText, known: readonly Certificate[]): TdxCollateral {
    const length = COLLATERAL_MEMBERS.reduce((sum, name) => sum + text[name].length, 0);
    if (length > MAX_REMEMBERED) return parseTdxCollateral(text, known);
    // The signatures find the entry quickly; every member must be the same for it to count.
    const entry = this.#collateral.get(
      text.tcb_info_signature + text.qe_identity_signature,
      () => ({ text: { ...text }, parsed: parseTdxCollateral(text, known) }),
      (other) => COLLATERAL_MEMBERS.every((name) => other.text[name] === text[name]),
    );
    return entry.parsed;
  }
}

function readUtf8(bytes: Uint8Array): string {
  try {
    return fromUtf8(bytes);
  } catch (cause) {
    throw new AssayError('COLLATERAL_JSON', 'expected the collateral to be UTF-8', cause);
  }
}
