import { dirname } from 'node:path';
import type { Command } from 'commander';
import { toHex } from '../../attestation/encoding/bytes.js';
import { vectorsDigest } from '../../attestation/evidence/self-test.js';
import {
  analyseModel,
  type ModelAnalysis,
  type ModelIdentity,
} from '../../attestation/model/identity.js';
import { dynamicFindings } from '../admission/dynamic-rules.js';
import { emptyInputFinding } from '../admission/empty-inputs.js';
import { type AdmissionFinding, worstOf } from '../admission/finding.js';
import { linkRule } from '../admission/link-rule.js';
import { readModelSource } from '../admission/model-source.js';
import { opsetUseOf } from '../admission/opset-cause.js';
import { readTolerances, vectorFolders } from '../admission/package-vectors.js';
import { staticFindings } from '../admission/static-rules.js';
import { assertReferences, requiredNames, type TestSet } from '../admission/test-sets.js';
import { sampleSets } from '../admission/trial.js';
import { readVectorFiles } from '../admission/vector-files.js';
import type { Tolerances } from '../hub/package.js';
import { nativeSha256 } from '../system/sha256.js';
import { EXIT } from './exit-code.js';
import { identityJson } from './inspect.js';
import type { Io } from './io.js';
import { collect, decimal, examples, refuseIdle } from './options.js';
import { type Cell, type Style, section, table } from './output.js';
import { readTolerancesFile, requireLimitsOfOutputs } from './tolerances-file.js';

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

/** The sets that were named, else those beside the model, which must be such that a node starts with them. */
async function testSets(path: string, identity: ModelIdentity, flags: Flags): Promise<TestSet[]> {
  const paths = flags.vectors ?? (await vectorFolders(path));
  const named = identity.inputs.map(({ name }) => name);
  const sets = await readVectorFiles(paths, { ...requiredNames(identity), named });
  if (flags.vectors === undefined) assertReferences(sets);
  return sets;
}

async function tolerancesOf(
  io: Io,
  path: string,
  { outputs }: ModelIdentity,
  flags: Flags,
): Promise<Tolerances | null> {
  if (flags.tolerances !== undefined) {
    const named = await readTolerancesFile(io, flags.tolerances);
    requireLimitsOfOutputs(named, outputs);
    return named;
  }
  return readTolerances(
    dirname(path),
    outputs.map(({ name }) => name),
  );
}

/** Findings of a trial, and the digest of the vectors that it ran, as policies name it. */
interface Tried {
  readonly findings: readonly AdmissionFinding[];
  readonly vectors: string | null;
}

async function dynamic(
  io: Io,
  path: string,
  analysis: ModelAnalysis,
  flags: Flags,
): Promise<Tried> {
  const { identity } = analysis;
  const vectors = await testSets(path, identity, flags);
  const sampled = vectors.length === 0;
  const tolerances = await tolerancesOf(io, path, identity, flags);
  const baseline = flags.baseline ?? tolerances?.baseline?.latency ?? null;
  const sets = sampled ? sampleSets(identity) : vectors;
  const findings = await dynamicFindings({
    model: path,
    sets,
    sampled,
    tolerances,
    baseline,
    opset: opsetUseOf(analysis),
  });
  return {
    findings: sampled ? findings : [emptyInputFinding(vectors, identity.inputs), ...findings],
    vectors: sampled ? null : toHex(vectorsDigest(vectors, tolerances, nativeSha256)),
  };
}

async function admit(io: Io, path: string, flags: Flags): Promise<void> {
  if (flags.static === true) {
    refuseIdle(flags, ['vectors', 'tolerances', 'baseline'], 'with --static: nothing is run');
  }
  const { findings, identity, vectors } = await io.during(`admitting ${path}`, async (progress) => {
    const analysis = analyseModel(await readModelSource(path), { sha256: nativeSha256 });
    const found = [...staticFindings(analysis), await linkRule(path, analysis.identity)];
    let digest: string | null = null;
    if (flags.static !== true && worstOf(found) !== 'refuse') {
      progress.update('loading and running it');
      const tried = await dynamic(io, path, analysis, flags);
      found.push(...tried.findings);
      digest = tried.vectors;
    }
    return { findings: found, identity: identityJson(analysis.identity), vectors: digest };
  });
  const outcome = worstOf(findings);
  if (outcome === 'refuse') io.exitCode = EXIT.refused;
  io.print(
    { outcome, identity, vectors, findings: findings.map((each) => ({ ...each })) },
    (style) =>
      [
        section(style, 'Model', [
          ['graph', String(identity['graph'])],
          ...(vectors === null ? [] : [['vectors', vectors]]),
        ]),
        section(
          style,
          'Rules',
          findings.flatMap((entry) => findingRows(entry, style)),
        ),
        table([[SUMMARY[outcome]]]),
      ].join('\n'),
  );
}

const parseMilliseconds = decimal('a positive number of milliseconds', (value) => value > 0);

/** `assay admit MODEL`: whether any node can execute a model, and alike, rule by rule. */
export function registerAdmit(program: Command, io: Io): void {
  program
    .command('admit')
    .description('check rule by rule whether any node can execute a model, and all alike')
    .argument('<model>', 'an ONNX file, not standard input; its external data lie beside it')
    .option(
      '--vectors <path>',
      'reference inputs and outputs: a test_data_set_* folder, a folder of such, or an .npz file; repeatable (default: beside the model)',
      collect,
    )
    .option(
      '--tolerances <file>',
      'declared tolerances (default: tolerances.json beside the model, if it is alone in its folder)',
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
