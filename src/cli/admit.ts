import { readFile } from 'node:fs/promises';
import { basename, dirname } from 'node:path';
import { type Command, InvalidArgumentError } from 'commander';
import { analyseModel, type ModelIdentity } from '../../attestation/model/identity.js';
import { dynamicFindings } from '../admission/dynamic-rules.js';
import { type AdmissionFinding, worstOf } from '../admission/finding.js';
import { npzTestSet } from '../admission/npz.js';
import { staticFindings } from '../admission/static-rules.js';
import {
  findTestFolders,
  readTestFolder,
  requiredNames,
  type TestSet,
} from '../admission/test-sets.js';
import { sampleSets } from '../admission/trial.js';
import { parseTolerances, type Tolerances } from '../hub/package.js';
import { nativeSha256, readModelSource } from '../model-source.js';
import { readTolerances } from '../package-vectors.js';
import { EXIT } from './exit-code.js';
import { identityJson } from './inspect.js';
import type { Io } from './io.js';
import { collect, examples } from './options.js';
import { type Cell, type Style, section, table } from './output.js';

function findingRows({ rule, outcome, message, nodes, count }: AdmissionFinding, style: Style) {
  const color = { pass: style.green, warn: style.yellow, refuse: style.red }[outcome];
  const rows: Cell[][] = [[{ text: outcome, style: color }, rule, message]];
  for (const node of nodes) rows.push(['', '', `  ${node}`]);
  if (count > nodes.length) rows.push(['', '', `  … ${count} in all`]);
  return rows;
}

const SUMMARY = {
  pass: 'admitted: every node can execute this model',
  warn: 'admitted, with warnings',
  refuse: 'refused: not every node would execute this model, or not alike',
} as const;

interface Flags {
  readonly vectors?: readonly string[];
  readonly tolerances?: string;
  readonly baseline?: number;
  readonly static?: boolean;
}

/** The sets that were named, else those beside the model. */
async function testSets(path: string, identity: ModelIdentity, flags: Flags): Promise<TestSet[]> {
  const names = requiredNames(identity);
  const all = { ...names, inputs: identity.inputs.map(({ name }) => name) };
  const paths = flags.vectors ?? (await findTestFolders(dirname(path)));
  return Promise.all(
    paths.map(async (vector) =>
      vector.endsWith('.npz')
        ? npzTestSet(basename(vector, '.npz'), await readFile(vector), all)
        : readTestFolder(vector, names),
    ),
  );
}

async function tolerancesOf(path: string, flags: Flags): Promise<Tolerances | null> {
  const { tolerances } = flags;
  return tolerances === undefined
    ? readTolerances(path)
    : parseTolerances(await readFile(tolerances));
}

async function dynamic(
  path: string,
  identity: ModelIdentity,
  flags: Flags,
): Promise<AdmissionFinding[]> {
  const vectors = await testSets(path, identity, flags);
  const sampled = vectors.length === 0;
  const tolerances = await tolerancesOf(path, flags);
  const baseline = flags.baseline ?? tolerances?.baseline?.latency ?? null;
  const sets = sampled ? sampleSets(identity) : vectors;
  return dynamicFindings({ model: path, sets, sampled, tolerances, baseline });
}

async function admit(io: Io, path: string, flags: Flags): Promise<void> {
  const { findings, identity } = await io.during(`admitting ${path}`, async (progress) => {
    const analysis = analyseModel(await readModelSource(path), { sha256: nativeSha256 });
    const found = staticFindings(analysis);
    if (flags.static !== true && worstOf(found) !== 'refuse') {
      progress.update('loading and running it');
      found.push(...(await dynamic(path, analysis.identity, flags)));
    }
    return { findings: found, identity: identityJson(analysis.identity) };
  });
  const outcome = worstOf(findings);
  if (outcome === 'refuse') io.exitCode = EXIT.refused;
  io.print({ outcome, identity, findings: findings.map((entry) => ({ ...entry })) }, (style) =>
    [
      section(style, 'Model', [['graph', String(identity['graph'])]]),
      section(
        style,
        'Rules',
        findings.flatMap((entry) => findingRows(entry, style)),
      ),
      table([[SUMMARY[outcome]]]),
    ].join('\n'),
  );
}

function parseMilliseconds(text: string): number {
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || !(value > 0)) {
    throw new InvalidArgumentError('expected a positive number of milliseconds.');
  }
  return value;
}

/** `assay admit MODEL`: whether any node can execute a model, and alike, rule by rule. */
export function registerAdmit(program: Command, io: Io): void {
  program
    .command('admit')
    .description('check rule by rule whether any node can execute a model, and all alike')
    .argument('<model>', 'an ONNX file; its external data lie beside it')
    .option(
      '--vectors <path>',
      'reference inputs and outputs: a test_data_set folder or an .npz file (default: beside the model)',
      collect,
    )
    .option(
      '--tolerances <file>',
      'declared tolerances (default: tolerances.json beside the model)',
    )
    .option('--baseline <ms>', 'median latency in the source framework', parseMilliseconds)
    .option('--static', 'judge the file alone; do not load or run it')
    .addHelpText(
      'after',
      examples(
        'assay admit model.onnx',
        'assay admit model.onnx --static --json',
        'assay admit model.onnx --vectors reference.npz --tolerances tolerances.json --baseline 12.5',
      ),
    )
    .action((path: string, flags: Flags) => admit(io, path, flags));
}
