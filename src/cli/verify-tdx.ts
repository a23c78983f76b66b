import type { Command } from 'commander';
import type { TdxExpectations } from '../../attestation/appraisal/appraise-tdx.js';
import type { AuthenticateTdxOptions } from '../../attestation/appraisal/authenticate-tdx.js';
import { withoutBundle } from '../../attestation/appraisal/raw-evidence.js';
import { tdxRefusal } from '../../attestation/appraisal/refusal-tdx.js';
import { verdictOf } from '../../attestation/appraisal/result.js';
import { verifyTdx } from '../../attestation/appraisal/verify-tdx.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { CollateralInput } from '../../attestation/endorsements/intel.js';
import { parseHclReport } from '../../attestation/evidence/hcl.js';
import { nativeP256 } from '../system/native-p256.js';
import { requireCollateral } from './endorsement-files.js';
import { readInput } from './input-files.js';
import type { Io } from './io.js';
import { examples, group, parseTime, refuseIdle } from './options.js';
import { readPolicy } from './policy-file.js';
import { printResult } from './render-result.js';
import { addPcsOptions, askForCollateral, type PcsOptions } from './tdx-options.js';
import { CACHE, faultOfEvidence, readRoots } from './vendor-services.js';

interface VerifyOptions extends PcsOptions {
  readonly quote: string;
  readonly collateral?: string;
  readonly hcl?: string;
  readonly eventLog?: string;
  readonly runtimeLog?: string;
  readonly at?: Date;
  readonly policy?: string;
  readonly offline?: boolean;
}

/** Collateral, or why there is none where it was asked for. */
interface Supplied {
  readonly collateral?: CollateralInput | undefined;
  readonly missing?: AssayError | undefined;
}

/** Collateral of a file, of Intel or a PCCS, or none: offline, or of Intel under another's roots. */
async function collateralOf(
  io: Io,
  quote: Uint8Array,
  options: VerifyOptions,
  trusted: AuthenticateTdxOptions,
): Promise<Supplied> {
  const { collateral, offline, root, pcs } = options;
  const asking = ['pcs', 'cache', 'tcbUpdate'] as const;
  if (collateral !== undefined) {
    refuseIdle(options, asking, 'with --collateral: nobody is asked');
    return { collateral: requireCollateral(collateral, await readInput(io, collateral)) };
  }
  if (offline === true) {
    refuseIdle(options, asking, 'with --offline');
    return {};
  }
  if (root.length > 0 && pcs === undefined) {
    refuseIdle(options, asking, 'with --root: Intel is not asked, unless by --pcs');
    return {};
  }
  return askForCollateral(io, quote, options, trusted);
}

/** The claims of an HCL report, which must be of a TDX guest. */
async function runtimeClaimsOf(io: Io, path: string): Promise<Uint8Array> {
  const { hardware, runtimeClaims } = parseHclReport(await readInput(io, path));
  if (hardware === 'tdx') return runtimeClaims;
  throw new AssayError('USAGE_FILE', `${path} is the HCL report of an SEV-SNP guest`);
}

async function expectationsOf(io: Io, options: VerifyOptions): Promise<TdxExpectations> {
  const { eventLog, runtimeLog, hcl } = options;
  return {
    ...(eventLog === undefined ? {} : { eventLog: await readInput(io, eventLog) }),
    ...(runtimeLog === undefined ? {} : { runtimeLog: await readInput(io, runtimeLog) }),
    ...(hcl === undefined ? {} : { runtimeClaims: await runtimeClaimsOf(io, hcl) }),
  };
}

async function verify(io: Io, options: VerifyOptions): Promise<void> {
  const at = options.at ?? io.now();
  const policy = await readPolicy(io, options.policy);
  const roots = await readRoots(io, options.root);
  const quote = await readInput(io, options.quote);
  try {
    const expectations = await expectationsOf(io, options);
    const trusted = { at, p256: nativeP256, ...roots };
    const { collateral, missing } = await collateralOf(io, quote, options, trusted);
    const raw = await verifyTdx(quote, collateral, policy.tdx ?? {}, trusted, expectations);
    const result = withoutBundle(raw, policy);
    // Without collateral a quote is refused for its own signatures, or could not be checked.
    const isUnchecked = missing !== undefined && verdictOf(result) === 'unchecked';
    printResult(io, isUnchecked ? tdxRefusal(missing, at, result.trustAnchor) : result);
  } catch (error) {
    printResult(io, tdxRefusal(faultOfEvidence(error), at));
  }
}

/** `assay verify tdx`: any TDX quote against Intel's chain and a policy. */
export function registerVerifyTdx(program: Command, io: Io): void {
  addPcsOptions(
    group(program, 'verify').command('tdx').description('verify a TDX quote of any origin'),
  )
    .requiredOption('--quote <file>', 'version 4 or 5 quote; - for standard input')
    .option('--collateral <file>', "Intel's collateral, JSON; fetched unless given")
    .option('--hcl <file>', "Azure: the vTPM's HCL report, whose runtime claims the quote covers")
    .option('--event-log <file>', "the firmware's log (ACPI CCEL), replayed against the RTMRs")
    .option('--runtime-log <file>', "Assay's own log, replayed against RTMR3")
    .option('--at <time>', 'appraise for this time (RFC 3339); now unless given', parseTime)
    .option('--policy <file>', 'appraisal policy, JSON or YAML: docs/tdx-policy.md')
    .option('--offline', 'fetch nothing')
    .option(...CACHE)
    .addHelpText(
      'after',
      examples(
        'assay verify tdx --quote quote.bin --policy policy.yaml',
        'assay verify tdx --quote quote.bin --collateral intel.json --at 2026-06-01T00:00:00Z --offline --json',
      ),
    )
    .action((options: VerifyOptions) => verify(io, options));
}
