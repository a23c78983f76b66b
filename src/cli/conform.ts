import { stat } from 'node:fs/promises';
import type { Command } from 'commander';
import { verdictOf } from '../../attestation/appraisal/result.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { findTestFolders, readTestFolder, type TestSet } from '../admission/test-sets.js';
import type { Agreement } from '../client/agreement.js';
import { NotAffirmedError } from '../client/connect.js';
import { connectAll, type ExcludedNode, type Quorum } from '../client/quorum.js';
import { findModel } from '../client/signature.js';
import { parseTolerances } from '../hub/package.js';
import { answersOf, type Conformance, compareNodes, type NodeRelation } from '../replay/conform.js';
import { type AppraisalFlags, appraisalOptions, readAppraisal } from './appraisal-options.js';
import { EXIT, type ExitCode, exitCodeOf, exitCodeOfVerdict } from './exit-code.js';
import { readInput } from './files.js';
import type { Io, Json } from './io.js';
import { collect, examples } from './options.js';
import { printable, type Style, section, table } from './output.js';
import { relationJson, relationLines } from './relation-text.js';

interface Flags extends AppraisalFlags {
  readonly model: string;
  readonly modelVersion?: string;
  readonly vectors: readonly string[];
  readonly tolerances?: string;
}

const SIGN = { identical: '=', within: '~', apart: '≠', incomparable: '?' } as const;
const LEGEND = '= identical bits, ~ within tolerance, ≠ apart, ? not comparable';

/** Test sets of folders: a `test_data_set_*` folder itself, or a folder that has some. */
async function readSets(
  paths: readonly string[],
  quorum: Quorum,
  flags: Flags,
): Promise<TestSet[]> {
  const [node] = quorum.nodes;
  if (node === undefined) throw new AssayError('USAGE_VECTORS', 'no node is affirmed');
  const model = findModel(node.session.manifest, flags.model, flags.modelVersion);
  const names = {
    inputs: model.inputs.map(({ name }) => name),
    outputs: model.outputs.map(({ name }) => name),
  };
  const folders: string[] = [];
  for (const path of paths) {
    const isFolder = await stat(path).then(
      (found) => found.isDirectory(),
      () => false,
    );
    if (!isFolder) throw new AssayError('USAGE_FILE', `${path} is no folder of test sets`);
    const inside = await findTestFolders(path);
    folders.push(...(inside.length > 0 ? inside : [path]));
  }
  return Promise.all(folders.map((folder) => readTestFolder(folder, names)));
}

async function compare(
  io: Io,
  quorum: Quorum,
  flags: Flags,
  agreement: Agreement | undefined,
): Promise<Conformance> {
  const sets = await readSets(flags.vectors, quorum, flags);
  const { model, modelVersion } = flags;
  const answers = await io.during(`running ${sets.length} test sets`, () =>
    Promise.all(
      quorum.nodes.map(({ target, session }) =>
        answersOf(target, session, model, modelVersion, sets),
      ),
    ),
  );
  return compareNodes(answers, sets, agreement);
}

/** Nodes are equal only if every one is affirmed and no two are apart. */
function exitOf({ matrix, reference }: Conformance, excluded: readonly ExcludedNode[]): ExitCode {
  const relations = [...matrix.flat(), ...reference].flatMap((r) => (r === null ? [] : [r]));
  const bad = relations.some(
    ({ relation: { kind } }) => kind === 'apart' || kind === 'incomparable',
  );
  const exits = excluded.map(({ error }) =>
    error instanceof NotAffirmedError
      ? exitCodeOfVerdict(verdictOf(error.result))
      : exitCodeOf(error),
  );
  if (bad) return EXIT.refused;
  return exits.find((code) => code === EXIT.refused) ?? exits[0] ?? EXIT.affirmed;
}

function differences({ nodes, matrix, reference }: Conformance): string[] {
  const lines = (title: string, { testSet, relation }: NodeRelation): string[] =>
    relation.kind === 'identical'
      ? []
      : [`  ${printable(`${title}, ${testSet}`)}`, ...relationLines(relation).map((l) => `  ${l}`)];
  const between = nodes.flatMap((a, i) =>
    nodes.slice(i + 1).flatMap((b, k) => {
      const relation = matrix[i]?.[i + 1 + k];
      return relation === undefined ? [] : lines(`${a.target} and ${b.target}`, relation);
    }),
  );
  const known = nodes.flatMap(({ target }, i) => {
    const relation = reference[i] ?? null;
    return relation === null ? [] : lines(`reference and ${target}`, relation);
  });
  return [...between, ...known];
}

function text(style: Style, conformance: Conformance, quorum: Quorum): string {
  const { nodes, matrix, reference, classes } = conformance;
  const simulated = quorum.nodes.some(({ session }) => session.result.simulated);
  const header = ['', ...nodes.map((_, i) => String(i + 1)), 'reference'];
  const rows = nodes.map(({ target }, i) => [
    `${i + 1} ${target}`,
    ...(matrix[i] ?? []).map(({ relation }) => SIGN[relation.kind]),
    reference[i] ? SIGN[reference[i].relation.kind] : '-',
  ]);
  const details = differences(conformance);
  return [
    simulated ? `${style.yellow('SIMULATED: no hardware vouches for some of these nodes.')}\n` : '',
    `${table([header, ...rows])}\n${style.dim(LEGEND)}\n`,
    ...(details.length > 0 ? [`\n${style.bold('Differences')}\n${details.join('\n')}\n`] : []),
    `\n${section(
      style,
      'Execution classes: identical bits',
      classes.map(({ targets, executions }, i) => [
        String(i + 1),
        targets.join(', '),
        executions.map((digest) => digest.slice(0, 16)).join(', '),
      ]),
    )}`,
    ...quorum.excluded.map(
      ({ target, error }) =>
        `${style.red('NOT COMPARED')} ${printable(`${target}: ${error.message}`)}\n`,
    ),
  ].join('');
}

function json({ nodes, matrix, reference, classes }: Conformance, quorum: Quorum): Json {
  const show = (r: NodeRelation | null): Json =>
    r === null ? null : { testSet: r.testSet, ...(relationJson(r.relation) as { kind: string }) };
  return {
    nodes: nodes.map(({ target, model }) => ({
      target,
      graph: toHex(model.graph),
      execution: toHex(model.execution),
      simulated:
        quorum.nodes.find((node) => node.target === target)?.session.result.simulated ?? false,
    })),
    matrix: matrix.map((row) => row.map(show)),
    reference: reference.map(show),
    classes: classes.map(({ targets, executions }) => ({ targets, executions })),
    excluded: quorum.excluded.map(({ target, error }) => ({
      target,
      code: error.code,
      message: error.message,
    })),
  };
}

async function run(io: Io, targets: readonly string[], flags: Flags): Promise<void> {
  const { policy, options } = await readAppraisal(io, flags);
  const agreement =
    flags.tolerances === undefined
      ? undefined
      : parseTolerances(await readInput(io, flags.tolerances));
  const quorum = await io.during('attesting', () =>
    connectAll(targets, policy, { ...options, agree: 1 }),
  );
  try {
    const conformance = await compare(io, quorum, flags, agreement);
    io.exitCode = exitOf(conformance, quorum.excluded);
    io.print(json(conformance, quorum), (style) => text(style, conformance, quorum));
  } finally {
    quorum.close();
  }
}

/** `assay conform TARGET…`: whether attested nodes execute a model in the same way. */
export function registerConform(program: Command, io: Io): void {
  appraisalOptions(
    program
      .command('conform')
      .description('attest nodes, run test sets on all, compare every bit of their answers')
      .argument('<target...>', 'host:port of each node'),
  )
    .requiredOption('--model <name>', 'name under which the nodes serve the model')
    .option('--model-version <version>', 'needed where a node has several')
    .requiredOption(
      '--vectors <folder>',
      'test_data_set_* folder, or a folder that has some; repeatable',
      collect,
    )
    .option('--tolerances <file>', "the publisher's tolerances.json")
    .addHelpText(
      'after',
      examples(
        'assay conform a:8443 b:8443 --model ocr --vectors ocr/ --policy policy.yaml',
        'assay conform a:8443 b:8443 --model ocr --vectors ocr/test_data_set_0 --tolerances t.json',
      ),
    )
    .action((targets: readonly string[], flags: Flags) => run(io, targets, flags));
}
