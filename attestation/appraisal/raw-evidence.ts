import { AssayError } from '../encoding/error.js';
import { detectEvidence } from '../evidence/detect.js';
import { parseHclReport } from '../evidence/hcl.js';
import { isSnpEvidence } from '../evidence/snp-evidence.js';
import { openSnpInput } from '../evidence/snp-input.js';
import { acceptedTee } from './accepted-tee.js';
import { type AppraiseOptions, appraiseBundle, evidenceRefusal } from './appraise.js';
import { REPLAY } from './caveats.js';
import { Findings } from './findings.js';
import { type AppraisalPolicy, strictPolicy } from './policy.js';
import { CHAIN_OF_TRUST } from './references-enclave.js';
import { isOfEvidence } from './refusal.js';
import { snpRefusal } from './refusal-snp.js';
import { tdxRefusal } from './refusal-tdx.js';
import { type AttestationResult, conclude, requireTime } from './result.js';
import { verifyHardware } from './verify-hardware.js';

/** What the verifier wants to know that only a bundle can show: each fails. */
function unmet({ enclave }: AppraisalPolicy, nonce: Uint8Array | undefined): Findings {
  const findings = new Findings();
  const comparison = { actual: 'a report without a bundle', reference: CHAIN_OF_TRUST.evidence };
  if (nonce !== undefined) {
    findings.check(
      'binding.nonce',
      false,
      { expected: 'the verifier’s nonce', ...comparison },
      { pass: '', fail: 'Evidence without a bundle binds no nonce that could be checked.' },
    );
  }
  if (enclave !== undefined) {
    findings.check(
      'enclave.manifest',
      false,
      { expected: 'a manifest that the policy’s member enclave can judge', ...comparison },
      { pass: '', fail: 'Evidence without a bundle states no enclave that could be judged.' },
    );
  }
  return findings;
}

/**
 * The result of a report or quote that came without a bundle, which may be a replay, held to all of the
 * policy, and to the verifier's nonce. Whoever hands over evidence chooses its form, and must not get rid of
 * a check, or of a caveat, by leaving out what would be checked.
 */
export function withoutBundle(
  result: AttestationResult,
  policy: AppraisalPolicy,
  nonce?: Uint8Array,
): AttestationResult {
  if (!result.authentic || result.tee === null) return result;
  const caveats = [...result.caveats, REPLAY];
  const tee = acceptedTee(result.tee, policy).filter(({ outcome }) => outcome === 'fail');
  const { all } = unmet(policy, nonce);
  if (tee.length + all.length === 0) return { ...result, caveats };
  return { ...result, ...conclude([...tee, ...result.checks, ...all], result.summary), caveats };
}

/** A raw SNP report, an Azure HCL report or a collected file. */
async function appraiseSnp(
  bytes: Uint8Array,
  policy: AppraisalPolicy,
  options: AppraiseOptions,
): Promise<AttestationResult> {
  try {
    const { report, runtimeClaims, certificates, crls } = openSnpInput(bytes);
    const evidence = { tee: 'sev-snp', report, endorsements: null, runtimeClaims } as const;
    const carried = { amd: [...certificates, ...crls] };
    return await verifyHardware(evidence, policy, { ...options, carried });
  } catch (error) {
    if (isOfEvidence(error)) return snpRefusal(error, options.at);
    throw error;
  }
}

/** Undefined for a bundle. */
async function appraiseRaw(
  bytes: Uint8Array,
  policy: AppraisalPolicy,
  options: AppraiseOptions,
): Promise<AttestationResult | undefined> {
  const kind = detectEvidence(bytes);
  if (kind === 'tdx-quote') {
    const quote = { tee: 'tdx', report: bytes, endorsements: null } as const;
    return verifyHardware(quote, policy, options);
  }
  if (kind === 'azure-hcl' && parseHclReport(bytes).hardware === 'tdx') {
    const message =
      'the HCL report of a TDX guest holds no quote; give it and the quote to verify tdx';
    return tdxRefusal(new AssayError('ENDORSEMENTS_MISSING', message), options.at);
  }
  if (kind === 'cbor' && !isSnpEvidence(bytes)) return undefined;
  return appraiseSnp(bytes, policy, options);
}

/**
 * Appraises evidence of whatever kind the bytes turn out to be: an Assay bundle, a raw SEV-SNP report or TDX
 * quote, an Azure HCL report, a collected report. What only a bundle can show, and the policy or the nonce
 * demands, fails without one. What is no evidence is refused in the same shape. Throws as `appraiseBundle` does.
 */
export async function appraiseEvidence(
  bytes: Uint8Array,
  given: AppraisalPolicy,
  options: AppraiseOptions,
): Promise<AttestationResult> {
  requireTime(options.at);
  const policy = strictPolicy(given);
  try {
    const raw = await appraiseRaw(bytes, policy, options);
    if (raw !== undefined) return withoutBundle(raw, policy, options.nonce);
  } catch (error) {
    if (isOfEvidence(error)) return evidenceRefusal(error, options.at);
    throw error;
  }
  return (await appraiseBundle(bytes, policy, options)).result;
}
