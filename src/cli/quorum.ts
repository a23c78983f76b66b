import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { AssayError } from '../../attestation/encoding/error.js';
import type { Agreement } from '../client/agreement.js';
import { NotAffirmedError } from '../client/connect.js';
import { connectAll, NoQuorumError, type Quorum, type Tally, type Vote } from '../client/quorum.js';
import {
  type AttestationFlags,
  attestationOptions,
  readAttestation,
} from './attestation-options.js';
import { EXIT, type ExitCode, exitCodeOfAll } from './exit-code.js';
import { unreadable } from './input-files.js';
import type { Io } from './io.js';
import { examples, parseCount, parsePositive } from './options.js';
import {
  type AnswerFile,
  makeFolder,
  reportUnwritten,
  requireDistinct,
  requireWritable,
  writeAnswerFiles,
} from './output-files.js';
import { type Decision, decisionJson, decisionText } from './quorum-text.js';
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
import { readTolerancesFile, requireLimitsOfOutputs } from './tolerances-file.js';

interface Flags extends AttestationFlags, TensorFlags {
  readonly agree: number;
  readonly tolerances?: string;
  readonly timeout?: number;
  readonly all?: boolean;
  readonly saveProofs?: string;
}

/** Without a quorum: refused if answers differ or a node did not hold, else why the others failed. */
function exitOf({ outputs, tally, excluded }: Decision): ExitCode {
  if (outputs !== null) return EXIT.affirmed;
  if (tally.dissenting.length > 0) return EXIT.refused;
  return exitCodeOfAll([...excluded, ...tally.failed].map(({ error }) => error)) ?? EXIT.refused;
}

interface Request {
  readonly name: string;
  readonly files: readonly InputFile[];
  readonly outputs: OutputPaths;
  readonly agreement: Agreement;
}

async function ask(
  io: Io,
  quorum: Quorum,
  { name, files, outputs, agreement }: Request,
  flags: Flags,
): Promise<Pick<Decision, 'outputs' | 'tally'>> {
  const model = quorum.model(name, flags.modelVersion);
  requireLimitsOfOutputs(agreement, model.outputs);
  const inputs = inputsOf(model, files);
  try {
    const { answer, tally } = await io.during(`asking ${quorum.nodes.length} nodes`, () =>
      quorum.infer(name, inputs, {
        version: model.version,
        cancelRest: flags.all !== true,
        ...(outputs.size === 0 ? {} : { outputs: [...outputs.keys()] }),
        ...(flags.timeout === undefined ? {} : { timeout: flags.timeout * 1000 }),
      }),
    );
    return { outputs: answer.outputs, tally: await tally };
  } catch (error) {
    if (error instanceof NoQuorumError) return { outputs: null, tally: error.tally };
    throw error;
  }
}

const KINDS = ['agrees', 'dissents'] as const;
type VoteKind = (typeof KINDS)[number];

/** The file of a vote's proof, which says how the node voted. */
function proofPath(folder: string, kind: VoteKind, target: string): string {
  return join(folder, `${kind}-${target.replaceAll(/[^A-Za-z0-9.-]/g, '_')}.proof`);
}

/**
 * Makes the folder for one request's votes. Throws USAGE_FILE where it has those of another: the name of a proof
 * says with whom its node agreed then, and a proof that is written over is evidence that is lost.
 */
async function makeVotesFolder(path: string): Promise<void> {
  await makeFolder(path);
  const entries = await readdir(path, { withFileTypes: true }).catch((error: unknown) => {
    throw unreadable(path, error);
  });
  const vote = entries.find(
    (entry) =>
      entry.isFile() &&
      entry.name.endsWith('.proof') &&
      KINDS.some((kind) => entry.name.startsWith(`${kind}-`)),
  );
  if (vote === undefined) return;
  throw new AssayError(
    'USAGE_FILE',
    `expected a folder without the proofs of another quorum, not ${path}, which has ${vote.name}`,
  );
}

/** Every vote's proof. */
function proofFiles(folder: string, { agreeing, dissenting }: Tally): AnswerFile[] {
  const files = (kind: VoteKind, votes: readonly Vote[]) =>
    votes.map(({ target, answer }) => ({
      path: proofPath(folder, kind, target),
      bytes: answer.proof,
    }));
  return [...files('agrees', agreeing), ...files('dissents', dissenting)];
}

async function decide(
  io: Io,
  targets: readonly string[],
  request: Request,
  flags: Flags,
): Promise<Decision> {
  const { agreement } = request;
  const { policy, options } = await readAttestation(io, flags);
  let quorum: Quorum;
  try {
    quorum = await io.during(`attesting ${targets.length} nodes`, () =>
      connectAll(targets, policy, {
        ...options,
        agree: flags.agree,
        agreement,
        ...(flags.timeout === undefined ? {} : { timeout: flags.timeout * 1000 }),
      }),
    );
  } catch (error) {
    if (!(error instanceof NoQuorumError)) throw error;
    const { failed: excluded, ...tally } = error.tally;
    const told = excluded.map(({ error }) => error instanceof NotAffirmedError && error.result);
    return {
      outputs: null,
      tally: { ...tally, failed: [] },
      excluded,
      simulated: told.some((result) => result !== false && result.simulated) ? true : null,
      tooFew: targets.length - excluded.length,
    };
  }
  try {
    const simulated = quorum.nodes.some(({ session }) => session.result.simulated);
    const { excluded } = quorum;
    const asked = await ask(io, quorum, request, flags);
    return { ...asked, excluded, simulated, tooFew: null };
  } finally {
    quorum.close();
  }
}

async function run(io: Io, name: string, targets: readonly string[], flags: Flags): Promise<void> {
  const agreement: Agreement =
    flags.tolerances === undefined ? {} : await readTolerancesFile(io, flags.tolerances);
  const outputs = parseOutputs(flags.output);
  await requireWritable([...outputs.values()]);
  const { saveProofs } = flags;
  if (saveProofs !== undefined) {
    await makeVotesFolder(saveProofs);
    const paths = [...outputs.values()].filter((path) => path !== undefined);
    const nodes = [...new Set(targets)];
    const proofs = KINDS.flatMap((kind) => nodes.map((node) => proofPath(saveProofs, kind, node)));
    await requireDistinct([...paths, ...proofs]);
  }
  if (flags.agree > 0 && flags.agree * 2 <= targets.length) {
    io.note(
      `${flags.agree} of ${targets.length} is no majority: others may agree on another answer`,
    );
  }
  const files = await readInputFiles(io, flags);
  const request = { name, files, outputs, agreement };
  const decision = await decide(io, targets, request, flags);
  const { written, failures } = await writeAnswerFiles([
    ...(flags.saveProofs === undefined ? [] : proofFiles(flags.saveProofs, decision.tally)),
    ...outputFiles(decision.outputs ?? [], outputs),
  ]);
  const lines = written.map(({ path }) => `Wrote ${path}`);
  io.exitCode = exitOf(decision);
  io.print(decisionJson(decision, flags.agree, agreement), (style) =>
    [decisionText(style, decision, flags.agree, agreement), ...lines].join('\n'),
  );
  reportUnwritten(io, failures);
}

/** `assay quorum MODEL TARGET…`: one request to several enclaves, answered when enough agree. */
export function registerQuorum(program: Command, io: Io): void {
  tensorOptions(
    attestationOptions(
      program
        .command('quorum')
        .description('ask several attested nodes, return what enough of them agree on')
        .argument('<model>', 'name of the model')
        .argument('<target...>', 'host:port of each node'),
    ),
  )
    .requiredOption('--agree <k>', 'nodes that must agree', parseCount)
    .option(
      '--tolerances <file>',
      "what agrees beside identical bits: a publisher's tolerances.json",
    )
    .option('--timeout <seconds>', 'give a node up after this time (60)', parsePositive)
    .option('--all', 'hear every node, also once enough agree, so that late dissent is seen')
    .option(
      '--save-proofs <folder>',
      'write a proof file of every vote, the dissenters’ too, in a folder that has no others',
    )
    .addHelpText(
      'after',
      examples(
        'assay quorum ocr a:8443 b:8443 c:8443 --agree 2 --input x=line.npy --policy policy.yaml',
        'assay quorum ocr a:8443 b:8443 c:8443 --agree 2 --input x=line.npy --policy policy.yaml --all --save-proofs votes',
      ),
    )
    .action((model: string, targets: readonly string[], flags: Flags) =>
      run(io, model, targets, flags),
    );
}
