import type { Command } from 'commander';
import { appraiseProof } from '../../attestation/appraisal/appraise-proof.js';
import type { ProofFile } from '../../attestation/receipt/proof-file.js';
import { nativeHmacSha256 } from '../system/native-hmac.js';
import { type AppraisalFlags, appraisalOptions, readAppraisal } from './appraisal-options.js';
import { readInput } from './input-files.js';
import type { Io } from './io.js';
import { examples, group, parseNonce } from './options.js';
import { type Style, section } from './output.js';
import { printResult } from './render-result.js';

interface Flags extends AppraisalFlags {
  readonly nonce?: Uint8Array;
}

/** What request and answer were, without their contents: those are in the file for who wants them. */
function exchange(style: Style, proof: ProofFile): string {
  const rows = [
    ...proof.inputs.map((tensor) => ({ side: 'input', tensor })),
    ...proof.outputs.map((tensor) => ({ side: 'output', tensor })),
  ].map(({ side, tensor: { name, datatype, shape, data } }) => [
    side,
    name,
    datatype,
    `[${shape.join(', ')}]`,
    `${data.length} bytes`,
  ]);
  return `\n${section(style, 'Request and answer', rows)}`;
}

async function run(io: Io, path: string, flags: Flags): Promise<void> {
  const { policy, options } = await readAppraisal(io, flags);
  const bytes = await readInput(io, path);
  const { result, proof } = await appraiseProof(bytes, policy, {
    ...options,
    ...(flags.nonce === undefined ? {} : { nonce: flags.nonce }),
    hmac: nativeHmacSha256,
  });
  printResult(io, result, {
    json: { model: proof === null ? null : { ...proof.model } },
    text: proof === null ? '' : exchange(io.style, proof),
  });
}

/** `assay verify receipt FILE`: a proof file, offline, later, on another machine. */
export function registerVerifyReceipt(program: Command, io: Io): void {
  appraisalOptions(
    group(program, 'verify')
      .command('receipt')
      .description('appraise a proof file: the evidence, the receipt, and the answer it is for')
      .argument('<file>', 'what `infer --save-proof` wrote, or - for standard input'),
  )
    .option(
      '--nonce <hex>',
      'the nonce that you drew for the evidence; without it nothing is fresh',
      parseNonce,
    )
    .addHelpText(
      'after',
      examples('assay verify receipt answer.proof --policy policy.yaml --at 2026-11-21'),
    )
    .action((path: string, flags: Flags) => run(io, path, flags));
}
