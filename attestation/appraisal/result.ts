import { AssayError, type ErrorCode, told } from '../encoding/error.js';
import type { Tee } from '../evidence/bundle.js';

/**
 * Outcome of one check. `waived`: it did not hold, and the policy says in so many words that it need
 * not. `unchecked`: what it needs was not at hand (no collateral, vendor unreachable), which is
 * neither a pass nor a fail.
 */
export type Outcome = 'pass' | 'fail' | 'waived' | 'unchecked';

/** One check of an appraisal. Values are shown as text: digests and bit fields in hexadecimal. */
export interface Finding {
  /** Stable dotted name, for example `snp.guest-policy.debug` or `enclave.model.graph`. */
  readonly id: string;
  readonly outcome: Outcome;
  readonly expected: string;
  readonly actual: string;
  /** One sentence; for a waived check, the policy member that waives it. */
  readonly reason: string;
  /** Document and section that the rule comes from. */
  readonly reference: string;
}

/** Where the chain of trust ends. */
export interface TrustAnchor {
  readonly commonName: string;
  /** SHA-256 of the certificate, hexadecimal. */
  readonly sha256: string;
  /** `pinned`: a vendor root that Assay carries; `caller`: one that the caller named. */
  readonly source: 'pinned' | 'caller';
  /** True when the root says of itself that it is a simulator's: nothing under it is hardware. */
  readonly simulated: boolean;
}

/**
 * Per-part TCB status of a TDX platform; the words are Intel's (PCS API v4). A platform of which
 * a part meets no level at all has the status `TCB_NOT_SUPPORTED`, no status of a part, and the
 * levels that its parts meet and miss.
 */
export interface TdxTcbResult {
  readonly status: string;
  readonly sgx: string | null;
  readonly tdx: string | null;
  /** `OK` where the module is up to date. */
  readonly module: string | null;
  readonly qe: string | null;
  readonly advisories: readonly string[] | null;
  /** tcbEvaluationDataNumber of the TCB info. */
  readonly evaluationDataNumber: number;
  /** TCB date of the TDX level that the platform meets, RFC 3339. */
  readonly date: string | null;
  /** The levels that the platform's parts meet. */
  readonly matched: readonly string[];
  /** For each level that they do not, the first component that falls short. */
  readonly missed: readonly TcbShortfall[];
}

/** Why a level is not met. */
export interface TcbShortfall {
  /** For people: `SGX level of 2024-11-13 (UpToDate)`. */
  readonly level: string;
  /** In Intel's words: `sgxtcbcomponents[0] (BIOS Early Microcode Update)`, `pcesvn`, `isvsvn`. */
  readonly component: string;
  readonly required: number;
  readonly actual: number;
}

/** Typed claims, ready for JSON. */
export type Claims = { readonly [name: string]: ClaimValue };
/** One value of the claims: what JSON can hold. */
export type ClaimValue = string | number | boolean | null | readonly ClaimValue[] | Claims;

/** The one result shape (RFC 9334 Attestation Result) for every kind of evidence. */
export interface AttestationResult {
  readonly tee: Tee | null;
  /** Structure, signatures, chain, revocation and binding hold. */
  readonly authentic: boolean;
  /** Authentic, and every check passed or was waived. */
  readonly affirmed: boolean;
  /** Error code or check id of the first failure; null when affirmed. */
  readonly code: ErrorCode | string | null;
  /** One sentence for people. */
  readonly summary: string;
  /** True under a simulator's root: whoever shows this result must show that too. */
  readonly simulated: boolean;
  readonly trustAnchor: TrustAnchor | null;
  /** RFC 3339 time that the appraisal was made for. */
  readonly at: string;
  /** Whether the verifier's own nonce is covered by the hardware's signature. */
  readonly fresh: boolean;
  readonly checks: readonly Finding[];
  readonly claims: Claims;
  readonly tcb?: TdxTcbResult;
  /** What a passed verification does not prove. */
  readonly caveats: readonly string[];
}

/** Throws USAGE_TIME for an invalid Date, which is neither before the end of anything nor behind it. */
export function requireTime(at: Date): void {
  if (Number.isNaN(at.getTime())) {
    throw new AssayError('USAGE_TIME', 'expected the time of the appraisal to be a valid Date');
  }
}

/**
 * What all checks come to: the first that failed says why, else the first that could not be checked.
 * @param affirmed summary where there is neither.
 * @param before what its summary begins with otherwise.
 */
export function conclude(
  checks: readonly Finding[],
  affirmed: string,
  before = '',
): Pick<AttestationResult, 'affirmed' | 'code' | 'summary' | 'checks'> {
  const failed = checks.filter(({ outcome }) => outcome === 'fail');
  const open = checks.filter(({ outcome }) => outcome === 'unchecked');
  const first = failed[0] ?? open[0];
  if (first === undefined) return { affirmed: true, code: null, summary: told(affirmed), checks };
  const rest = [
    ...(failed.length > 1 ? [` ${failed.length - 1} more failed.`] : []),
    ...(first !== open[0] && open.length > 0 ? [` Not checked: ${open.length}.`] : []),
  ].join('');
  const reason = first.reason.endsWith('.') ? first.reason : `${first.reason}.`;
  return { affirmed: false, code: first.id, summary: `${before}${reason}${rest}`, checks };
}

/** Verdict of a result, which decides the CLI's exit code: 0 affirmed, 1 refused, 3 could not check. */
export type Verdict = 'affirmed' | 'refused' | 'unchecked';

/** A result is `unchecked` only if nothing failed and something could not be checked. */
export function verdictOf(result: AttestationResult): Verdict {
  if (result.affirmed) return 'affirmed';
  const failed = !result.authentic && !result.checks.some((check) => check.outcome === 'unchecked');
  return failed || result.checks.some((check) => check.outcome === 'fail')
    ? 'refused'
    : 'unchecked';
}

/** Whether an error says that something could not be checked, not that it does not hold. */
export function isUnchecked({ code }: AssayError): boolean {
  return code.startsWith('ENDORSEMENTS_') || code.startsWith('CRYPTO_');
}

/** A finding for an authenticity error, so that a refused result has the same shape. */
export function findingOf(error: AssayError, reference: string): Finding {
  return {
    id: error.code,
    outcome: isUnchecked(error) ? 'unchecked' : 'fail',
    expected: 'authentic evidence',
    actual: error.message,
    reason: error.message,
    reference,
  };
}
