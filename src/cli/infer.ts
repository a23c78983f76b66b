import type { Command } from 'commander';
import { toHex } from '../../attestation/encoding/bytes.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import type { Inference, Session } from '../client/session.js';
import { findModel } from '../client/signature.js';
import { type AttestationFlags, attestationOptions, withSession } from './attestation-options.js';
import type { Io } from './io.js';
import { examples, parseNonce } from './options.js';
import { factRows, section } from './output.js';
import { reportUnwritten, requireWritable, writeAnswerFiles } from './output-files.js';
import { simulatedBanner } from './render-result.js';
import {
  type InputFile,
  inputsOf,
  type OutputPaths,
  outputFiles,
  parseOutputs,
  readInputFiles,
  type TensorFlags,
  tensorOptions,
} from './tensor-options.js';
import { tensorSection, tensorToJson } from './tensor-text.js';

interface Flags extends AttestationFlags, TensorFlags {
  readonly nonce?: Uint8Array;
  readonly saveProof?: string;
}

interface Request {
  readonly name: string;
  readonly files: readonly InputFile[];
  readonly outputs: OutputPaths;
}

async function execute(
  io: Io,
  session: Session,
  { name, files, outputs }: Request,
  flags: Flags,
): Promise<void> {
  const model = findModel(session.manifest, name, flags.modelVersion);
  const inputs = inputsOf(model, files);
  const answer = await io.during(`running ${name}`, () =>
    session.infer(name, inputs, {
      version: model.version,
      ...(outputs.size === 0 ? {} : { outputs: [...outputs.keys()] }),
      ...(flags.nonce === undefined ? {} : { nonce: flags.nonce }),
    }),
  );
  const { saveProof } = flags;
  const { written, failures } = await writeAnswerFiles([
    ...(saveProof === undefined
      ? []
      : [{ path: saveProof, what: 'the proof of this answer', bytes: answer.proof }]),
    ...outputFiles(answer.outputs, outputs),
  ]);
  const lines = written.map(({ what, path }) => `Wrote ${what} to ${path}\n`);
  printAnswer(io, session, model, answer, lines);
  reportUnwritten(io, failures);
}

async function run(io: Io, target: string, name: string, flags: Flags): Promise<void> {
  const outputs = parseOutputs(flags.output);
  await requireWritable([...outputs.values(), flags.saveProof]);
  const request = { name, files: await readInputFiles(io, flags), outputs };
  await withSession(io, target, flags, (session) => execute(io, session, request, flags));
}

function printAnswer(
  io: Io,
  { result }: Session,
  model: ManifestModel,
  answer: Inference,
  written: readonly string[],
): void {
  const receipt = {
    index: answer.index,
    treeSize: answer.head.size,
    issuedAt: new Date(answer.claims.issuedAt * 1000).toISOString(),
    epoch: toHex(answer.claims.epoch),
    graph: toHex(answer.claims.graph),
    execution: toHex(answer.claims.execution),
    request: toHex(answer.claims.request),
    response: toHex(answer.claims.response),
  };
  io.print(
    {
      model: { name: model.name, version: model.version },
      simulated: result.simulated,
      outputs: answer.outputs.map(tensorToJson),
      receipt,
    },
    (style) =>
      [
        simulatedBanner(style, result.simulated),
        ...answer.outputs.map((tensor) => tensorSection(style, tensor)),
        section(
          style,
          `Receipt: verified, answer ${answer.index} of this epoch`,
          factRows(receipt),
        ),
        ...written,
      ].join(''),
  );
}

/** `assay infer TARGET MODEL`: attest, infer, verify; prints nothing that has no valid receipt. */
export function registerInfer(program: Command, io: Io): void {
  tensorOptions(
    attestationOptions(
      program
        .command('infer')
        .description('attest a server, run a model on it, verify the answer’s receipt')
        .argument('<target>', 'host:port of the server')
        .argument('<model>', 'name of the model'),
    ),
  )
    .option('--nonce <hex>', '32 bytes that the receipt must carry (default: random)', parseNonce)
    .option('--save-proof <file>', 'write a proof file for `assay verify receipt`')
    .addHelpText(
      'after',
      examples(
        'assay infer localhost:8443 ocr --input x=line.npy --policy policy.yaml',
        'assay infer localhost:8443 ocr --input x=line.npy --policy policy.yaml --save-proof a.proof',
      ),
    )
    .action((target: string, model: string, flags: Flags) => run(io, target, model, flags));
}
