import { equalBytes, toHex } from '../encoding/bytes.js';
import { coseKeyThumbprint } from '../encoding/cose.js';
import { AssayError } from '../encoding/error.js';
import { challengeOf, reportData } from '../evidence/binding.js';
import { decodeBundle, type EvidenceBundle } from '../evidence/bundle.js';
import { decodeRuntimeLog } from '../evidence/event-log.js';
import { decodeLaunchPolicy, launchPolicyDigest } from '../evidence/launch-policy.js';
import { decodeManifest, type Manifest } from '../evidence/manifest.js';
import { paravisorReportData, userDataOf } from '../evidence/runtime-claims.js';
import { parseSnpReport } from '../evidence/snp-report.js';
import { parseTdxQuote } from '../evidence/tdx-quote.js';
import { acceptedTee } from './accepted-tee.js';
import { appraiseEnclave } from './appraise-enclave.js';
import type { AppraisedEnclave } from './appraise-inference.js';
import { REPLAY } from './caveats.js';
import type { EnclaveStatement } from './enclave-statement.js';
import { Findings } from './findings.js';
import { type AppraisalPolicy, strictPolicy } from './policy.js';
import { CHAIN_OF_TRUST } from './references-enclave.js';
import { isOfEvidence } from './refusal.js';
import {
  type AttestationResult,
  type Claims,
  conclude,
  type Finding,
  findingOf,
  requireTime,
} from './result.js';
import { type HardwareOptions, verifyHardware } from './verify-hardware.js';

/** How evidence is appraised. */
export interface AppraiseOptions extends Omit<HardwareOptions, 'carried'> {
  /** The verifier's own nonce, 32 bytes; without it the result is never fresh. */
  readonly nonce?: Uint8Array;
}

/** How a bundle is appraised that came in a file with a nonce and endorsements of its own. */
export interface AppraiseBundleOptions extends AppraiseOptions, HardwareOptions {
  /** Nonce that is checked where the verifier gives none of its own, 32 bytes; it makes nothing fresh. */
  readonly statedNonce?: Uint8Array;
}

/** The verdict, and the enclave that it is about. */
export interface AppraisedBundle {
  readonly result: AttestationResult;
  /** Null unless the evidence is authentic; to be trusted only if `result.affirmed`. */
  readonly enclave: AppraisedEnclave | null;
}

const CAVEATS = [
  'The enclave’s clock is the host’s to turn: order comes from the log, freshness from nonces.',
  'What the models compute is attested, not that it is true or fair.',
] as const;

/** Everything of a bundle that hardware covers, decoded; each part throws its own code. */
interface Covered {
  readonly stated: EnclaveStatement;
  readonly manifest: Manifest;
}

/**
 * What the guest had signed: REPORT_DATA; or, under Azure's paravisor, the user data of the claims that
 * REPORT_DATA covers. Throws BINDING_RUNTIME_CLAIMS or HCL_CLAIMS.
 */
function guestData({ runtimeClaims }: EvidenceBundle, reported: Uint8Array): Uint8Array {
  if (runtimeClaims === undefined) return reported;
  const userData = userDataOf(runtimeClaims);
  if (userData === undefined || !equalBytes(reported, paravisorReportData(runtimeClaims))) {
    throw new AssayError(
      'BINDING_RUNTIME_CLAIMS',
      'the report data does not cover these runtime claims, or they hold no data of the guest',
    );
  }
  return userData;
}

/** Throws BINDING_REPORT_DATA unless the hardware signed for this manifest and this challenge. */
function requireBinding(bundle: EvidenceBundle, covered: Uint8Array, nonce?: Uint8Array): void {
  const challenge =
    nonce === undefined ? bundle.challenge.root : challengeOf(nonce, bundle.challenge);
  if (!equalBytes(covered, reportData(challenge, bundle.manifest))) {
    throw new AssayError(
      'BINDING_REPORT_DATA',
      'the report data does not cover this challenge and this manifest',
    );
  }
}

function reportedFields(bundle: EvidenceBundle): {
  readonly reportData: Uint8Array;
  readonly binding: Uint8Array;
  readonly rtmr3: Uint8Array | null;
} {
  if (bundle.tee === 'sev-snp') {
    const report = parseSnpReport(bundle.report);
    return { reportData: report.reportData, binding: report.hostData, rtmr3: null };
  }
  const { report } = parseTdxQuote(bundle.report);
  const { reportData: data, mrConfigId, rtmrs } = report;
  return { reportData: data, binding: mrConfigId, rtmr3: rtmrs[3] };
}

function openCovered(bundle: EvidenceBundle, nonce?: Uint8Array): Covered {
  const fields = reportedFields(bundle);
  requireBinding(bundle, guestData(bundle, fields.reportData), nonce);
  const manifest = decodeManifest(bundle.manifest);
  const { launchPolicy: canonical, eventLog, tee } = bundle;
  const digest = canonical === null ? null : launchPolicyDigest(canonical);
  const stated: EnclaveStatement = {
    tee,
    manifest,
    launchPolicy: canonical === null ? null : decodeLaunchPolicy(canonical),
    launchPolicyDigest: digest?.hostData ?? null,
    expectedBinding: (tee === 'sev-snp' ? digest?.hostData : digest?.mrConfigId) ?? null,
    binding: fields.binding,
    rtmr3: fields.rtmr3,
    events: eventLog === null ? null : decodeRuntimeLog(eventLog),
  };
  return { stated, manifest };
}

/** A result for bytes that are no evidence, or evidence that is not authentic. */
export function evidenceRefusal(
  error: AssayError,
  at: Date,
  base: Partial<AttestationResult> = {},
): AttestationResult {
  return {
    tee: null,
    simulated: false,
    trustAnchor: null,
    claims: {},
    caveats: [],
    ...base,
    authentic: false,
    affirmed: false,
    code: error.code,
    summary: `The evidence is not authentic: ${error.message}.`,
    at: at.toISOString(),
    fresh: false,
    checks: [...(base.checks ?? []), findingOf(error, CHAIN_OF_TRUST.evidence)],
  };
}

/** Whose nonce the binding was checked under. */
type NonceOrigin = 'verifier' | 'file';

const UNDER_NONCE: { readonly [origin in NonceOrigin]: readonly [string, string] } = {
  verifier: ['the verifier’s nonce', 'The evidence was made after the verifier drew its nonce.'],
  file: [
    'the nonce that the file states',
    'The evidence is under the nonce that its file states, which says when only to whoever drew it.',
  ],
};

function bindingFindings(
  { challenge }: EvidenceBundle,
  origin: NonceOrigin | undefined,
): readonly Finding[] {
  const findings = new Findings();
  const { index, size } = challenge;
  findings.pass(
    'binding.report-data',
    { expected: 'challenge and manifest', actual: 'covered', reference: CHAIN_OF_TRUST.reportData },
    'The hardware signed for this manifest and this challenge.',
  );
  if (origin !== undefined) {
    const [expected, reason] = UNDER_NONCE[origin];
    findings.pass(
      'binding.nonce',
      { expected, actual: `nonce ${index} of ${size}`, reference: CHAIN_OF_TRUST.freshness },
      reason,
    );
  }
  return findings.all;
}

function enclaveClaims({ manifest, launchPolicy }: EnclaveStatement): Claims {
  return {
    epoch: toHex(manifest.epoch),
    signingKey: toHex(coseKeyThumbprint(manifest.signingKey)),
    tlsKey: toHex(manifest.tlsKey),
    software: `${manifest.software.name} ${manifest.software.version}`,
    launchPolicy: launchPolicy === null ? null : toHex(manifest.launchPolicy ?? new Uint8Array()),
    models: manifest.models.map((model) => ({
      name: model.name,
      version: model.version,
      graph: toHex(model.graph),
      weights: toHex(model.weights),
      execution: toHex(model.execution),
      selfTest: model.selfTest && {
        vectors: toHex(model.selfTest.vectors),
        outputs: toHex(model.selfTest.outputs),
        sets: model.selfTest.sets,
        identical: model.selfTest.identical,
      },
    })),
  };
}

/**
 * Appraises an evidence bundle: the hardware's report under its vendor's root, what its report data
 * covers, and what the enclave states there, against a policy. Evidence that does not hold gives a
 * result that is not authentic, with the error's code; checks that do not hold are gathered. Throws
 * nothing about the evidence, not even for bytes that are no bundle; USAGE_ENDORSEMENTS where the verifier's own
 * endorsements are damaged, USAGE_TIME and POLICY_INVALID where the time or the policy is none.
 * @param given from `parsePolicy`, or what it would take.
 */
export async function appraiseBundle(
  bytes: Uint8Array,
  given: AppraisalPolicy,
  options: AppraiseBundleOptions,
): Promise<AppraisedBundle> {
  const { at, nonce, statedNonce } = options;
  requireTime(at);
  const policy = strictPolicy(given);
  let hardware: AttestationResult | undefined;
  try {
    const bundle = decodeBundle(bytes);
    hardware = await verifyHardware(bundle, policy, options);
    if (!hardware.authentic) return { result: hardware, enclave: null };
    const { stated, manifest } = openCovered(bundle, nonce ?? statedNonce);
    const fresh = nonce !== undefined;
    const origin = fresh ? 'verifier' : statedNonce && 'file';
    const checks = [
      ...acceptedTee(bundle.tee, policy),
      ...hardware.checks,
      ...bindingFindings(bundle, origin),
      ...appraiseEnclave(stated, policy.enclave ?? {}),
    ];
    return {
      result: combine(hardware, checks, stated, fresh),
      enclave: { manifest, manifestBytes: bundle.manifest },
    };
  } catch (error) {
    if (!isOfEvidence(error)) throw error;
    return { result: evidenceRefusal(error, at, hardware), enclave: null };
  }
}

function combine(
  hardware: AttestationResult,
  checks: readonly Finding[],
  stated: EnclaveStatement,
  fresh: boolean,
): AttestationResult {
  const models = stated.manifest.models.map(({ name }) => name).join(', ') || 'no model';
  const affirmed = `${hardware.summary} The enclave serves ${models}.${fresh ? '' : ' Not fresh: no nonce.'}`;
  return {
    ...hardware,
    ...conclude(checks, affirmed),
    fresh,
    claims: { ...hardware.claims, enclave: enclaveClaims(stated) },
    caveats: [...hardware.caveats, ...CAVEATS, ...(fresh ? [] : [REPLAY])],
  };
}
