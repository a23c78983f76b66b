import type { Command } from 'commander';
import { appraiseBundle, evidenceRefusal } from '../../attestation/appraisal/appraise.js';
import { withoutBundle } from '../../attestation/appraisal/raw-evidence.js';
import { snpRefusal } from '../../attestation/appraisal/refusal-snp.js';
import { tdxRefusal } from '../../attestation/appraisal/refusal-tdx.js';
import type { AttestationResult } from '../../attestation/appraisal/result.js';
import { verifySnp } from '../../attestation/appraisal/verify-snp.js';
import { verifyTdx } from '../../attestation/appraisal/verify-tdx.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { amdEndorsements } from '../../attestation/endorsements/amd.js';
import { detectEvidence } from '../../attestation/evidence/detect.js';
import { parseHclReport } from '../../attestation/evidence/hcl.js';
import { isSnpEvidence } from '../../attestation/evidence/snp-evidence.js';
import { openSnpInput } from '../../attestation/evidence/snp-input.js';
import {
  type Appraisal,
  type AppraisalFlags,
  appraisalOptions,
  readAppraisal,
} from './appraisal-options.js';
import { readInput } from './files.js';
import type { Io } from './io.js';
import { examples, group, parseNonce } from './options.js';
import { printResult } from './render-result.js';

interface Flags extends AppraisalFlags {
  readonly nonce?: Uint8Array;
}

/** A raw SNP report, an Azure HCL report or a collected file. */
async function appraiseSnp(
  bytes: Uint8Array,
  { policy, options }: Appraisal,
): Promise<AttestationResult> {
  if (policy.snp === undefined) {
    throw new AssayError('POLICY_INVALID', 'the policy has no member snp: it accepts no SEV-SNP');
  }
  const { at, roots, endorsements } = options;
  try {
    const { report, runtimeClaims, certificates, crls } = openSnpInput(bytes);
    const own = amdEndorsements(endorsements?.amd ?? []);
    const all = {
      certificates: [...certificates, ...own.certificates],
      crls: own.crls,
      hostCrls: crls,
    };
    const trusted = roots === undefined ? { at } : { at, roots };
    const expectations = runtimeClaims === undefined ? {} : { runtimeClaims };
    return await verifySnp(report, all, policy.snp, trusted, expectations);
  } catch (error) {
    if (error instanceof AssayError) return snpRefusal(error, at);
    throw error;
  }
}

function appraiseTdx(
  quote: Uint8Array,
  { policy, options }: Appraisal,
): Promise<AttestationResult> {
  if (policy.tdx === undefined) {
    throw new AssayError('POLICY_INVALID', 'the policy has no member tdx: it accepts no TDX');
  }
  const { endorsements, ...trusted } = options;
  return verifyTdx(quote, endorsements?.intel, policy.tdx, trusted);
}

/** Appraises a report or a quote that comes without a bundle; undefined for anything else. */
async function appraiseRaw(
  bytes: Uint8Array,
  appraisal: Appraisal,
): Promise<AttestationResult | undefined> {
  const kind = detectEvidence(bytes);
  if (kind === 'tdx-quote') return appraiseTdx(bytes, appraisal);
  if (kind === 'azure-hcl' && parseHclReport(bytes).hardware === 'tdx') {
    const message =
      'the HCL report of a TDX guest holds no quote; give it and the quote to verify tdx';
    return tdxRefusal(new AssayError('ENDORSEMENTS_MISSING', message), appraisal.options.at);
  }
  return kind !== 'cbor' || isSnpEvidence(bytes) ? appraiseSnp(bytes, appraisal) : undefined;
}

/** Appraises evidence of whatever kind the file turns out to hold. */
async function appraise(
  bytes: Uint8Array,
  appraisal: Appraisal,
  nonce: Uint8Array | undefined,
): Promise<AttestationResult> {
  const { policy, options } = appraisal;
  const raw = await appraiseRaw(bytes, appraisal);
  if (raw !== undefined) return withoutBundle(raw, { enclave: policy.enclave, nonce });
  const fresh = nonce === undefined ? options : { ...options, nonce };
  return (await appraiseBundle(bytes, policy, fresh)).result;
}

/** What is no evidence of any kind, or broken before its hardware is known, is refused in the same shape. */
function refusalOf(error: unknown, at: Date): AttestationResult {
  const isEvidence = error instanceof AssayError && /^(ENCODING_EVIDENCE$|HCL_)/.test(error.code);
  if (isEvidence) return evidenceRefusal(error, at);
  throw error;
}

async function run(io: Io, path: string, flags: Flags): Promise<void> {
  const appraisal = await readAppraisal(io, flags);
  const bytes = await readInput(io, path);
  const result = await appraise(bytes, appraisal, flags.nonce).catch((error: unknown) =>
    refusalOf(error, appraisal.options.at),
  );
  printResult(io, result);
}

/** `assay verify evidence FILE`: evidence of any kind, offline. */
export function registerVerifyEvidence(program: Command, io: Io): void {
  appraisalOptions(
    group(program, 'verify', 'appraise evidence and receipts from files')
      .command('evidence')
      .description(
        'appraise an Assay bundle, SEV-SNP report, TDX quote, Azure HCL report or collected report',
      )
      .argument('<file>', 'evidence, or - for standard input'),
  )
    .option('--nonce <hex>', 'the nonce that you drew; without it nothing is fresh', parseNonce)
    .addHelpText(
      'after',
      examples(
        'assay verify evidence bundle.cbor --policy policy.yaml',
        'assay verify evidence quote.bin --endorsements collateral.json --policy policy.yaml',
      ),
    )
    .action((path: string, flags: Flags) => run(io, path, flags));
}
