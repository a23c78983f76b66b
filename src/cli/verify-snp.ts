import type { Command } from 'commander';
import { withoutBundle } from '../../attestation/appraisal/raw-evidence.js';
import { snpRefusal } from '../../attestation/appraisal/refusal-snp.js';
import type { AttestationResult } from '../../attestation/appraisal/result.js';
import { verifySnp } from '../../attestation/appraisal/verify-snp.js';
import type { Io } from './io.js';
import { collect, examples, group, parseTime, refuseIdle } from './options.js';
import { readPolicy } from './policy-file.js';
import { printResult } from './render-result.js';
import { addSnpOptions, REPORT, readSnp, type SnpOptions } from './snp-options.js';
import { faultOfEvidence, readRoots } from './vendor-services.js';

interface VerifyOptions extends SnpOptions {
  readonly root: readonly string[];
  readonly at?: Date;
  readonly policy?: string;
}

/** Errors of the evidence become a result; errors of the call stay errors. */
async function judged(
  at: Date,
  work: () => Promise<AttestationResult>,
): Promise<AttestationResult> {
  try {
    return await work();
  } catch (error) {
    return snpRefusal(faultOfEvidence(error), at);
  }
}

async function verify(io: Io, options: VerifyOptions): Promise<void> {
  const at = options.at ?? io.now();
  const policy = await readPolicy(io, options.policy);
  const roots = await readRoots(io, options.root);
  const foreign = options.root.length > 0 && options.kds === undefined;
  if (options.offline === true) refuseIdle(options, ['kds', 'cache'], 'with --offline');
  if (foreign) refuseIdle(options, ['cache'], 'with --root: AMD is not asked, unless by --kds');
  const fetches = options.offline !== true && !foreign;
  const result = await judged(at, async () => {
    const { input, gathered } = await readSnp(io, options, at, fetches, roots.roots);
    if (gathered.missing !== undefined) throw gathered.missing;
    const { report, runtimeClaims } = input;
    const expectations = runtimeClaims === undefined ? {} : { runtimeClaims };
    return verifySnp(report, gathered, policy.snp ?? {}, { at, ...roots }, expectations);
  });
  printResult(io, withoutBundle(result, policy));
}

/** `assay verify snp`: any SEV-SNP report against AMD's chain and a policy. */
export function registerVerifySnp(program: Command, io: Io): void {
  addSnpOptions(
    group(program, 'verify').command('snp').description('verify an SEV-SNP report of any origin'),
  )
    .requiredOption(...REPORT)
    .option('--root <file>', "trust these roots in place of AMD's; may be repeated", collect, [])
    .option('--at <time>', 'appraise for this time (RFC 3339); now unless given', parseTime)
    .option('--policy <file>', 'appraisal policy, JSON or YAML: docs/snp-policy.md')
    .addHelpText(
      'after',
      examples(
        'assay verify snp --report report.bin --certs auxblob.bin --policy policy.yaml',
        'assay verify snp --report report.bin --vek vcek.der --at 2026-06-01T00:00:00Z --offline',
        'assay verify snp --report hcl_report.bin --json',
      ),
    )
    .action((options: VerifyOptions) => verify(io, options));
}
