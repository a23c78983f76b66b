import { AssayError } from '../encoding/error.js';
import type { Tee } from '../evidence/bundle.js';
import { type AttestationResult, findingOf, isUnchecked, type TrustAnchor } from './result.js';

/** What was expected, and where that rule is from: by a code, or by the first words of several. */
export type Rules = Readonly<Record<string, readonly [expected: string, reference: string]>>;

/** How refusals of one kind of hardware read. */
export interface Refused {
  readonly tee: Tee;
  /** What the hardware signs: `report` or `quote`. */
  readonly evidence: string;
  readonly rules: Rules;
  /** Where the rules of other codes are from. */
  readonly documents: string;
}

/** The rule with the most words of a code, or undefined. */
function ruleOf(rules: Rules, code: string): Rules[string] | undefined {
  const end = code.lastIndexOf('_');
  return rules[code] ?? (end < 0 ? undefined : ruleOf(rules, code.slice(0, end)));
}

/** Whether an error tells of the evidence; one of the call (USAGE) would be the same for any. */
export function isOfEvidence(error: unknown): error is AssayError {
  return error instanceof AssayError && !error.code.startsWith('USAGE_');
}

/** A result for evidence that is not authentic, or that could not be authenticated. */
export function refusal(
  { tee, evidence, rules, documents }: Refused,
  error: AssayError,
  at: Date,
  anchor: TrustAnchor | null = null,
): AttestationResult {
  const [expected, reference] = ruleOf(rules, error.code) ?? ['authentic evidence', documents];
  return {
    tee,
    authentic: false,
    affirmed: false,
    code: error.code,
    summary: `The ${evidence} ${isUnchecked(error) ? 'could not be checked' : 'is not authentic'}: ${error.message}.`,
    simulated: anchor?.simulated ?? false,
    trustAnchor: anchor,
    at: at.toISOString(),
    fresh: false,
    checks: [{ ...findingOf(error, reference), expected }],
    claims: {},
    caveats: [],
  };
}
