import type { Command } from 'commander';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ManifestModel } from '../../attestation/evidence/manifest.js';
import { connect, NotAffirmedError } from '../client/connect.js';
import { inputFrom } from '../client/input.js';
import { formatNpy } from '../client/npy.js';
import type { Inference, Session } from '../client/session.js';
import { findModel, specOf } from '../client/signature.js';
import type { Tensor } from '../client/tensor.js';
import {
  type AppraisalFlags,
  appraisalOptions,
  readAppraisal,
  readServices,
  type VendorFlags,
  vendorOptions,
} from './appraisal-options.js';
import { readInput, writeOutput } from './files.js';
import type { Io } from './io.js';
import { collect, examples, parseNonce } from './options.js';
import { section } from './output.js';
import { printResult, simulatedBanner } from './render-result.js';
import { tensorToJson, tensorToText } from './tensor-text.js';

interface Flags extends AppraisalFlags, VendorFlags {
  readonly input?: readonly string[];
  readonly shape?: readonly string[];
  readonly output?: readonly string[];
  readonly modelVersion?: string;
  readonly nonce?: Uint8Array;
  readonly saveProof?: string;
}

const INPUT_LIMIT = 256 * 1024 * 1024;

/** `NAME=VALUE`; names may hold anything but `=`. Throws USAGE_OPTION. */
function split(option: string, text: string): readonly [string, string] {
  const at = text.indexOf('=');
  if (at > 0 && at < text.length - 1) return [text.slice(0, at), text.slice(at + 1)];
  throw new AssayError(
    'USAGE_OPTION',
    `expected ${option} NAME=VALUE, not ${JSON.stringify(text)}`,
  );
}

function parseShapes(texts: readonly string[]): ReadonlyMap<string, readonly number[]> {
  return new Map(
    texts.map((text) => {
      const [name, list] = split('--shape', text);
      const shape = list.split(',').map(Number);
      if (!/^\d+(,\d+)*$/.test(list)) {
        throw new AssayError('USAGE_OPTION', `expected --shape ${name}=1,3,48,320, not ${list}`);
      }
      return [name, shape] as const;
    }),
  );
}

async function readInputs(io: Io, model: ManifestModel, flags: Flags): Promise<Tensor[]> {
  const shapes = parseShapes(flags.shape ?? []);
  return Promise.all(
    (flags.input ?? []).map(async (text) => {
      const [name, path] = split('--input', text);
      const signature = model.inputs.find((input) => input.name === name);
      if (signature === undefined) {
        const known = model.inputs.map((input) => input.name).join(', ');
        throw new AssayError('CLIENT_INPUT', `${model.name} has no input ${name}; it has ${known}`);
      }
      const bytes = await readInput(io, path, INPUT_LIMIT);
      const format = path.endsWith('.json') ? 'json' : 'binary';
      return inputFrom(specOf(signature), bytes, format, shapes.get(name));
    }),
  );
}

/** `--output NAME` selects an output, `--output NAME=FILE.npy` writes it too. */
function parseOutputs(texts: readonly string[]): ReadonlyMap<string, string | undefined> {
  return new Map(
    texts.map((text) => (text.includes('=') ? split('--output', text) : [text, undefined])),
  );
}

async function execute(io: Io, session: Session, name: string, flags: Flags): Promise<void> {
  const model = findModel(session.manifest, name, flags.modelVersion);
  const outputs = parseOutputs(flags.output ?? []);
  const inputs = await readInputs(io, model, flags);
  const answer = await io.during(`running ${name}`, () =>
    session.infer(name, inputs, {
      version: model.version,
      ...(outputs.size === 0 ? {} : { outputs: [...outputs.keys()] }),
      ...(flags.nonce === undefined ? {} : { nonce: flags.nonce }),
    }),
  );
  for (const tensor of answer.outputs) {
    const path = outputs.get(tensor.name);
    if (path !== undefined) await writeOutput(path, formatNpy(tensor));
  }
  if (flags.saveProof !== undefined) await writeOutput(flags.saveProof, answer.proof());
  printAnswer(io, session, model, answer, new Set(outputs.keys()), flags.saveProof);
}

function printAnswer(
  io: Io,
  { result }: Session,
  model: ManifestModel,
  answer: Inference,
  written: ReadonlySet<string>,
  proof: string | undefined,
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
        ...answer.outputs.map((tensor) =>
          section(style, `${tensor.name} ${tensor.datatype} [${tensor.shape.join(', ')}]`, [
            [tensorToText(tensor)],
          ]),
        ),
        section(
          style,
          `Receipt: verified, answer ${answer.index} of this epoch`,
          Object.entries(receipt).map(([name, value]) => [name, String(value)]),
        ),
        ...[...written].map((name) => `Wrote output ${name}\n`),
        proof === undefined ? '' : `Wrote the proof of this answer to ${proof}\n`,
      ].join(''),
  );
}

async function run(io: Io, target: string, name: string, flags: Flags): Promise<void> {
  const { policy, options } = await readAppraisal(io, flags);
  let session: Session;
  try {
    session = await io.during(`attesting ${target}`, () =>
      connect(target, policy, { ...options, ...readServices(io, flags) }),
    );
  } catch (error) {
    if (!(error instanceof NotAffirmedError)) throw error;
    printResult(io, error.result);
    return;
  }
  try {
    await execute(io, session, name, flags);
  } finally {
    session.close();
  }
}

/** `assay infer TARGET MODEL`: attest, infer, verify; prints nothing that has no valid receipt. */
export function registerInfer(program: Command, io: Io): void {
  vendorOptions(
    appraisalOptions(
      program
        .command('infer')
        .description('attest a server, run a model on it, verify the answer’s receipt')
        .argument('<target>', 'host:port of the server')
        .argument('<model>', 'name of the model'),
    ),
  )
    .option('--input <name=file>', '.npy, .json, or raw elements; repeatable', collect)
    .option('--shape <name=dims>', 'shape of a raw or flat input: x=1,3,48,320', collect)
    .option('--output <name[=file]>', 'select an output, and write it as .npy', collect)
    .option('--model-version <version>', 'needed where the server has several')
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
