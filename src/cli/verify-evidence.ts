import type { Command } from 'commander';
import { appraiseBundle } from '../../attestation/appraisal/appraise.js';
import { type AppraisalFlags, appraisalOptions, readAppraisal } from './appraisal-options.js';
import { readInput } from './files.js';
import type { Io } from './io.js';
import { examples, group, parseNonce } from './options.js';
import { printResult } from './render-result.js';

interface Flags extends AppraisalFlags {
  readonly nonce?: Uint8Array;
}

async function run(io: Io, path: string, flags: Flags): Promise<void> {
  const { policy, options } = await readAppraisal(io, flags);
  const bytes = await readInput(io, path);
  const nonce = flags.nonce === undefined ? {} : { nonce: flags.nonce };
  const { result } = await appraiseBundle(bytes, policy, { ...options, ...nonce });
  printResult(io, result);
}

/** `assay verify evidence FILE`: an evidence bundle, offline. */
export function registerVerifyEvidence(program: Command, io: Io): void {
  appraisalOptions(
    group(program, 'verify', 'Appraise a file, offline')
      .command('evidence')
      .description('appraise an evidence bundle that `attest --save` wrote')
      .argument('<file>', 'evidence, or - for standard input'),
  )
    .option('--nonce <hex>', 'the nonce that you drew; without it nothing is fresh', parseNonce)
    .addHelpText('after', examples('assay verify evidence bundle.cbor --policy policy.yaml'))
    .action((path: string, flags: Flags) => run(io, path, flags));
}
