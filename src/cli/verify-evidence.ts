import type { Command } from 'commander';
import { appraiseEvidence } from '../../attestation/appraisal/raw-evidence.js';
import { type AppraisalFlags, appraisalOptions, readAppraisal } from './appraisal-options.js';
import { readInput } from './input-files.js';
import type { Io } from './io.js';
import { examples, group, parseNonce } from './options.js';
import { printResult } from './render-result.js';

interface Flags extends AppraisalFlags {
  readonly nonce?: Uint8Array;
}

async function run(io: Io, path: string, flags: Flags): Promise<void> {
  const { policy, options } = await readAppraisal(io, flags);
  const bytes = await readInput(io, path);
  const fresh = flags.nonce === undefined ? options : { ...options, nonce: flags.nonce };
  printResult(io, await appraiseEvidence(bytes, policy, fresh));
}

/** `assay verify evidence FILE`: evidence of any kind, offline. */
export function registerVerifyEvidence(program: Command, io: Io): void {
  appraisalOptions(
    group(program, 'verify')
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
