import { randomBytes } from 'node:crypto';
import type { Command } from 'commander';
import { verdictOf } from '../../attestation/appraisal/result.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { connect } from '../client/connect.js';
import { parseTolerances } from '../hub/package.js';
import { readModelSource } from '../model-source.js';
import { type Executor, LocalExecutor, RemoteExecutor } from '../replay/executor.js';
import { isSampled } from '../replay/replay.js';
import { type ReplayedProof, replayProof } from '../replay/replay-proof.js';
import {
  type Appraisal,
  type AppraisalFlags,
  appraisalOptions,
  readAppraisal,
} from './appraisal-options.js';
import { EXIT, type ExitCode, exitCodeOfVerdict } from './exit-code.js';
import { readInput } from './files.js';
import type { Io, Json } from './io.js';
import { examples, parseNonce } from './options.js';
import { printable, type Style } from './output.js';
import { relationJson, relationLines } from './relation-text.js';

interface Flags extends AppraisalFlags {
  readonly model?: string;
  readonly target?: string;
  readonly tolerances?: string;
  readonly sample?: number;
  readonly seed?: Uint8Array;
}

async function openExecutor(flags: Flags, { policy, options }: Appraisal): Promise<Executor> {
  const { model, target } = flags;
  if ((model === undefined) === (target === undefined)) {
    throw new AssayError('USAGE_OPTION', 'expected either --model or --target');
  }
  if (model !== undefined) return new LocalExecutor(await readModelSource(model));
  return new RemoteExecutor(await connect(target ?? '', policy, options));
}

/** What became of one proof. */
interface Row extends ReplayedProof {
  readonly file: string;
}

/** The worst of all: a contradiction or a refusal, then what could not be decided. */
function exitOf(rows: readonly Row[]): ExitCode {
  const exits = rows.map(({ result, replay }): ExitCode => {
    if (replay === null) return exitCodeOfVerdict(verdictOf(result));
    if (replay.verdict === 'contradiction') return EXIT.refused;
    return replay.verdict === 'inconclusive' ? EXIT.unchecked : EXIT.affirmed;
  });
  return [EXIT.refused, EXIT.unchecked].find((code) => exits.includes(code)) ?? EXIT.affirmed;
}

function rowText(style: Style, { file, result, replay }: Row): string {
  const banner = result.simulated ? style.yellow(' (SIMULATED)') : '';
  if (replay === null) {
    const verdict = style.red(verdictOf(result).toUpperCase());
    return `${verdict}${banner} ${printable(file)}: ${printable(result.summary)}\n`;
  }
  const paint = {
    identical: style.green,
    within: style.green,
    contradiction: style.red,
    inconclusive: style.yellow,
  }[replay.verdict];
  const profile = replay.profile.map(
    ({ member, attested, replayed }) =>
      `  profile ${member}: ${attested} attested, ${replayed} here`,
  );
  const lines = [...relationLines(replay.relation), ...profile.map(printable)];
  return [`${paint(replay.verdict.toUpperCase())}${banner} ${printable(file)}`, ...lines, ''].join(
    '\n',
  );
}

function rowJson({ file, result, replay }: Row): Json {
  return {
    file,
    simulated: result.simulated,
    evidence: { verdict: verdictOf(result), code: result.code, summary: result.summary },
    verdict: replay?.verdict ?? 'refused',
    relation: replay === null ? null : relationJson(replay.relation),
    profile: replay === null ? null : replay.profile.map((difference) => ({ ...difference })),
  };
}

async function run(io: Io, files: readonly string[], flags: Flags): Promise<void> {
  const { policy, options } = await readAppraisal(io, flags);
  const agreement =
    flags.tolerances === undefined
      ? undefined
      : parseTolerances(await readInput(io, flags.tolerances));
  const seed = flags.seed ?? new Uint8Array(randomBytes(32));
  const executor = await openExecutor(flags, { policy, options });
  const rows: Row[] = [];
  try {
    await io.during('replaying', async (progress) => {
      for (const [i, file] of files.entries()) {
        progress.update(`${i + 1} of ${files.length}`);
        const bytes = await readInput(io, file);
        if (!isSampled(bytes, seed, flags.sample ?? 1)) continue;
        const replayed = await replayProof(bytes, policy, options, executor, agreement);
        rows.push({ file, ...replayed });
      }
    });
  } finally {
    await executor.close();
  }
  io.exitCode = exitOf(rows);
  const summary = { proofs: files.length, replayed: rows.length, seed: toHex(seed) };
  io.print({ ...summary, replays: rows.map(rowJson) }, (style) => {
    const sampled =
      flags.sample === undefined
        ? ''
        : `\n${rows.length} of ${files.length} proofs, chosen by the seed ${summary.seed}\n`;
    return rows.map((row) => rowText(style, row)).join('') + sampled;
  });
}

/** `assay replay PROOF…`: executes a proven request again and compares every bit of the answer. */
export function registerReplay(program: Command, io: Io): void {
  appraisalOptions(
    program
      .command('replay')
      .description('execute the requests of proof files again, here or on another attested node')
      .argument('<proof...>', 'what `infer --save-proof` wrote'),
  )
    .option('--model <file>', 'the model: replay on this machine, in the attested profile')
    .option('--target <host:port>', 'replay on this node, attested under the same policy')
    .option('--tolerances <file>', "the publisher's tolerances.json")
    .option('--sample <fraction>', 'replay only this part of the proofs, at random', Number)
    .option('--seed <hex>', 'repeat a sample: 32 bytes in hexadecimal', parseNonce)
    .addHelpText(
      'after',
      examples(
        'assay replay answer.proof --model ocr.onnx --policy policy.yaml',
        'assay replay log/*.proof --target localhost:9443 --policy policy.yaml --sample 0.1',
      ),
    )
    .action((files: readonly string[], flags: Flags) => run(io, files, flags));
}
