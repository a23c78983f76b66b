import { randomBytes } from 'node:crypto';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { Command } from 'commander';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { connect } from '../client/connect.js';
import type { Tolerances } from '../hub/package.js';
import type { ProofFault } from '../replay/consult-log.js';
import { type Executor, ExecutorSet, RemoteExecutor } from '../replay/executor.js';
import { LocalExecutor } from '../replay/local-executor.js';
import { NoModelError, replayProof } from '../replay/replay-proof.js';
import { isSampled } from '../replay/sample.js';
import {
  type Attestation,
  type AttestationFlags,
  attestationOptions,
  readAttestation,
} from './attestation-options.js';
import { EXIT, type ExitCode, exitCodeOf } from './exit-code.js';
import { ofModel, readInput } from './input-files.js';
import type { Io, Progress } from './io.js';
import { collect, decimal, examples, parseNonce, refuseIdle } from './options.js';
import { printable } from './output.js';
import { auditFiles, exitOfInterruption, type LogFlags, openLog } from './replay-log.js';
import { exitOfReplay, type ReplayRow, replayJson, replayText, worstExit } from './replay-text.js';
import { readTolerancesFile, requireLimitsOfOutputs } from './tolerances-file.js';

interface Flags extends AttestationFlags, LogFlags {
  readonly model?: readonly string[];
  readonly maxRun?: number;
  readonly target?: string;
  readonly tolerances?: string;
  readonly sample?: number;
  readonly seed?: Uint8Array;
}

/** Seconds; a node's own default. */
const MAX_RUN = 300;

async function openExecutor(flags: Flags, { policy, options }: Attestation): Promise<Executor> {
  const { model = [], target } = flags;
  if ((model.length === 0) === (target === undefined)) {
    throw new AssayError('USAGE_OPTION', 'expected either --model or --target');
  }
  if (target !== undefined) return new RemoteExecutor(await connect(target, policy, options));
  const executors: Executor[] = [];
  const set = new ExecutorSet(executors);
  try {
    for (const path of model) {
      const declared = flags.tolerances === undefined;
      const maxRun = (flags.maxRun ?? MAX_RUN) * 1000;
      const open = () => LocalExecutor.open(path, maxRun, declared);
      executors.push(await ofModel(path, open));
    }
  } catch (error) {
    await set.close();
    throw error;
  }
  return set;
}

/** Files as they are named, and every *.proof file of the folders that are named. */
async function proofFiles(paths: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const path of paths) {
    const entries = await readdir(path).catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOTDIR' || path === '-') return null;
      throw new AssayError('USAGE_FILE', `cannot read ${path}`, error);
    });
    if (entries === null) files.push(path);
    else {
      const proofs = entries.filter((name) => name.endsWith('.proof')).sort();
      for (const name of proofs) files.push(join(path, name));
    }
  }
  if (files.length === 0) {
    throw new AssayError('USAGE_FILE', `there is no *.proof file in ${paths.join(', ')}`);
  }
  return files;
}

interface Job {
  readonly files: readonly string[];
  readonly appraisal: Attestation;
  readonly executor: Executor;
  readonly agreement: Tolerances | undefined;
  readonly seed: Uint8Array;
}

/** One proof more; throws as `replayProof`, but for a proof whose model is not at hand. */
async function replayFile(file: string, bytes: Uint8Array, job: Job): Promise<ReplayRow> {
  const { appraisal, executor, agreement } = job;
  try {
    const { policy, options } = appraisal;
    return { file, ...(await replayProof(bytes, policy, options, executor, agreement)) };
  } catch (error) {
    if (!(error instanceof NoModelError)) throw error;
    return { file, result: error.result, replay: null, failure: error.message, noModel: error };
  }
}

/** What became of the files, as far as they were looked at. */
interface Replayed {
  readonly rows: readonly ReplayRow[];
  readonly unread: readonly ProofFault[];
  /** What ended it before all were looked at, and how many were not; null where nothing did. */
  readonly interruption: { readonly error: AssayError; readonly files: number } | null;
}

/** Executes what is sampled of the files: one that cannot be read keeps no other from being replayed. */
async function replayAll(
  io: Io,
  job: Job,
  sample: number | undefined,
  { update }: Progress,
): Promise<Replayed> {
  const rows: ReplayRow[] = [];
  const unread: ProofFault[] = [];
  for (const [i, file] of job.files.entries()) {
    update(`${i + 1} of ${job.files.length}`);
    let read = false;
    try {
      const bytes = await readInput(io, file);
      read = true;
      if (isSampled(bytes, job.seed, sample ?? 1)) rows.push(await replayFile(file, bytes, job));
    } catch (error) {
      if (!(error instanceof AssayError)) throw error;
      if (read) return { rows, unread, interruption: { error, files: job.files.length - i } };
      unread.push({ file, error });
    }
  }
  return { rows, unread, interruption: null };
}

/** A verdict against an answer stays one, whatever could not be looked at beside it. */
function exitOfReplayed({ rows, unread: [unread], interruption }: Replayed): ExitCode {
  const found = worstExit(rows.map(exitOfReplay));
  if (found === EXIT.refused) return found;
  if (interruption !== null) return exitOfInterruption(interruption.error);
  if (unread !== undefined) return exitCodeOf(unread.error);
  return rows.length === 0 ? EXIT.unchecked : found;
}

/**
 * Replays what is sampled of the files and prints what became of each. A proof of a model that is not at
 * hand hides none of the others; throws PROOF_MODEL where every one is, and what went wrong where nothing
 * could be replayed.
 */
async function replayFiles(io: Io, job: Job, sample: number | undefined): Promise<void> {
  const { files, seed } = job;
  const replayed = await io.during('replaying', (progress) => replayAll(io, job, sample, progress));
  const { rows, unread, interruption } = replayed;
  const [first] = rows;
  const failed = interruption?.error ?? unread[0]?.error;
  if (first === undefined && failed !== undefined) throw failed;
  if (first?.noModel && failed === undefined && rows.every(({ noModel }) => noModel)) {
    throw first.noModel;
  }
  const nothing = first === undefined;
  io.exitCode = exitOfReplayed(replayed);
  const summary = { proofs: files.length, replayed: rows.length, seed: toHex(seed) };
  const details = {
    incomplete: interruption && { ...told(interruption.error), files: interruption.files },
    unread: unread.map(({ file, error }) => ({ file, ...told(error) })),
    replays: rows.map(replayJson),
  };
  io.print({ ...summary, ...details }, (style) => {
    const sampled =
      sample === undefined
        ? ''
        : `\n${rows.length} of ${files.length} proofs, chosen by the seed ${summary.seed}${nothing ? ': nothing was replayed' : ''}\n`;
    const lines = unread.map(
      ({ error }) => `${style.yellow('NOT READ')}: ${printable(error.message)}\n`,
    );
    if (interruption !== null) {
      const { code, message } = interruption.error;
      const left = `${interruption.files} of ${files.length} proofs were not looked at`;
      lines.push(`${style.red('INCOMPLETE')}: ${code}, ${printable(message)}\n  ${left}\n`);
    }
    return [...lines, ...rows.map((row) => replayText(style, row)), sampled].join('');
  });
}

function told({ code, message }: AssayError): { readonly code: string; readonly message: string } {
  return { code, message };
}

function refuseIdleFlags(flags: Flags): void {
  if (flags.target === undefined && flags.logTarget === undefined) {
    const why = 'without --target and --log-target: no node is attested';
    refuseIdle(flags, ['kds', 'pcs', 'cache'], why);
  }
  if (flags.target !== undefined) refuseIdle(flags, ['maxRun'], 'with --target');
  if (flags.sample === undefined) refuseIdle(flags, ['seed'], 'without --sample');
}

async function run(io: Io, paths: readonly string[], flags: Flags): Promise<void> {
  refuseIdleFlags(flags);
  const appraisal = await readAttestation(io, flags);
  const agreement =
    flags.tolerances === undefined ? undefined : await readTolerancesFile(io, flags.tolerances);
  const seed = flags.seed ?? new Uint8Array(randomBytes(32));
  const files = await proofFiles(paths);
  const opened = await openLog(flags, appraisal);
  try {
    const executor = await openExecutor(flags, appraisal);
    try {
      if (agreement !== undefined) requireLimitsOfOutputs(agreement, executor.outputs);
      const job: Job = { files, appraisal, executor, agreement, seed };
      if (opened === undefined) await replayFiles(io, job, flags.sample);
      else await auditFiles(io, opened.log, { ...job, fraction: flags.sample ?? 1 });
    } finally {
      await executor.close();
    }
  } finally {
    opened?.close();
  }
}

/** As a node's `maxRunSeconds`. */
const parseMaxRun = decimal(
  'seconds, from 0.001 to 86400',
  (value) => value >= 0.001 && value <= 86_400,
);

const parseFraction = decimal('a fraction from 0 to 1, such as 0.05', (value) => value <= 1);

/** `assay replay PROOF…`: executes proven requests again, all or a sample, and compares every bit. */
export function registerReplay(program: Command, io: Io): void {
  attestationOptions(
    program
      .command('replay')
      .description('execute the requests of proof files again, here or on another attested node')
      .argument('<proof...>', 'what `infer --save-proof` wrote, or folders of *.proof files'),
  )
    .option(
      '--model <file>',
      'a model: replay on this machine, in the attested profile; repeatable',
      collect,
    )
    .option(
      '--max-run <seconds>',
      `what one execution on this machine may take, with the load before it (${MAX_RUN})`,
      parseMaxRun,
    )
    .option('--target <host:port>', 'replay on this node, attested under the same policy')
    .option(
      '--tolerances <file>',
      "the publisher's tolerances.json (default: the one beside each --model that is alone in its folder)",
    )
    .option('--log <folder>', "audit a published log: its tiles and head, an epoch's folder")
    .option('--log-target <host:port>', 'audit the log of this node, as it proves it now')
    .option(
      '--sample <fraction>',
      'only this part of the proofs, or of the log’s entries, at random',
      parseFraction,
    )
    .option('--seed <hex>', 'repeat a sample: 32 bytes in hexadecimal', parseNonce)
    .addHelpText(
      'after',
      examples(
        'assay replay answer.proof --model ocr.onnx --policy policy.yaml',
        'assay replay proofs/ --target localhost:9443 --policy policy.yaml --sample 0.1',
        'assay replay proofs/ --model ocr.onnx --log log/6f1c… --policy policy.yaml --sample 0.05',
      ),
    )
    .action((paths: readonly string[], flags: Flags) => run(io, paths, flags));
}
