import type { Command } from 'commander';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import type { TestSet } from '../admission/test-sets.js';
import { readVectorFiles } from '../admission/vector-files.js';
import {
  connectAll,
  distinctEnclaves,
  type ExcludedNode,
  NoQuorumError,
  type Quorum,
  type QuorumNode,
} from '../client/quorum.js';
import { findModel, modelOf } from '../client/signature.js';
import { answersOf, type Conformance, compareNodes, type NodeAnswers } from '../replay/conform.js';
import {
  encodeRecord,
  MAX_RECORD,
  modelOfRecord,
  readRecord,
} from '../replay/conformance-record.js';
import { type DeclaredTolerances, declaredTolerances } from '../replay/executor.js';
import {
  type Attestation,
  type AttestationFlags,
  attestationOptions,
  readAttestation,
} from './attestation-options.js';
import { type Compared, conformanceJson, conformanceText } from './conform-text.js';
import { EXIT, type ExitCode, exitCodeOfAll } from './exit-code.js';
import { readInput } from './input-files.js';
import type { Io } from './io.js';
import { collect, examples, refuseIdle } from './options.js';
import { reportUnwritten, requireWritable, writeAnswerFiles } from './output-files.js';
import { readTolerancesFile, requireLimitsOfOutputs } from './tolerances-file.js';

interface Flags extends AttestationFlags {
  readonly model: string;
  readonly modelVersion?: string;
  readonly vectors: readonly string[];
  readonly tolerances?: string;
  readonly save?: string;
  readonly with?: readonly string[];
}

/** Test sets for a model whose manifest does not say which of its inputs have defaults. */
function readSets(
  paths: readonly string[],
  { inputs, outputs }: ManifestModel,
): Promise<TestSet[]> {
  const named = inputs.map(({ name }) => name);
  const names = { inputs: named, outputs: outputs.map(({ name }) => name) };
  return readVectorFiles(paths, { ...names, named });
}

/** What a model's package has beside its test sets, where that is the only folder that is named. */
async function tolerancesBeside(
  { vectors: [folder, ...others] }: Flags,
  { outputs }: ManifestModel,
): Promise<DeclaredTolerances | undefined> {
  if (folder === undefined || others.length > 0) return undefined;
  return declaredTolerances(folder, outputs);
}

/** Where no node is left there is nothing to compare. */
const NOTHING: Conformance = {
  nodes: [],
  matrix: [],
  reference: [],
  outputs: [],
  classes: [],
  profile: [],
  contradictions: [],
};

/** The nodes that are affirmed, be it none, and those that are not. */
type Attested = Pick<Quorum, 'nodes' | 'excluded' | 'close'>;

async function attestNodes(
  io: Io,
  targets: readonly string[],
  { policy, options }: Attestation,
): Promise<Attested> {
  const none = { nodes: [], excluded: [], close: () => {} };
  if (targets.length === 0) return none;
  try {
    return await io.during('attesting', () =>
      connectAll(targets, policy, { ...options, agree: 1 }),
    );
  } catch (error) {
    if (error instanceof NoQuorumError) return { ...none, excluded: error.tally.failed };
    throw error;
  }
}

async function compare(
  io: Io,
  attested: Attested,
  { policy, options }: Attestation,
  flags: Flags,
): Promise<Compared> {
  const named =
    flags.tolerances === undefined ? undefined : await readTolerancesFile(io, flags.tolerances);
  const records = await Promise.all(
    (flags.with ?? []).map((path) => readInput(io, path, MAX_RECORD)),
  );
  const { model: name, modelVersion } = flags;
  const asked = { name, version: modelVersion };
  const excluded = [...attested.excluded];
  const [node] = attested.nodes;
  const [record] = records;
  if (node === undefined && record === undefined && excluded.length > 0) {
    return { conformance: NOTHING, excluded, tolerances: null };
  }
  const [served] = attested.nodes.flatMap(
    ({ session }) => modelOf(session.manifest, name, modelVersion) ?? [],
  );
  const model =
    served ??
    (record && (await modelOfRecord(record, asked, policy, options))) ??
    (node && findModel(node.session.manifest, name, modelVersion));
  if (model === undefined) throw new AssayError('USAGE_ARGUMENTS', 'expected a target or --with');
  if (named !== undefined) requireLimitsOfOutputs(named, model.outputs);
  const sets = await readSets(flags.vectors, model);
  const declared = named === undefined ? await tolerancesBeside(flags, model) : undefined;
  const tolerances = declared?.path ?? null;
  const ask = async ({ target, session }: QuorumNode): Promise<NodeAnswers[]> => {
    try {
      return [await answersOf(target, session, name, modelVersion, sets)];
    } catch (error) {
      if (!(error instanceof AssayError)) throw error;
      excluded.push({ target, error });
      return [];
    }
  };
  const answered = await io.during(`running ${sets.length} test sets`, () =>
    Promise.all(attested.nodes.map(ask)),
  );
  const answers = answered.flat();
  for (const bytes of records) {
    const recorded = await readRecord(bytes, asked, sets, policy, options);
    answers.push(...recorded.nodes);
    excluded.push(...recorded.excluded);
  }
  const { nodes, duplicates } = distinctEnclaves(answers, ({ epoch }) => epoch);
  excluded.push(...duplicates.map(({ node, error }) => ({ target: node.target, error })));
  if (nodes.length === 0 && excluded.length > 0) {
    return { conformance: NOTHING, excluded, tolerances };
  }
  const conformance = compareNodes(nodes, sets, named ?? declared?.agreement);
  return { conformance, excluded, tolerances };
}

/**
 * Nodes are equal only if every one is affirmed and no two are apart. A tolerance is for nodes that state
 * different executions: it does not excuse other bits of one.
 */
function exitOf(
  { matrix, reference, contradictions }: Conformance,
  excluded: readonly ExcludedNode[],
): ExitCode {
  const relations = [...matrix.flat(), ...reference].flatMap((r) => (r === null ? [] : [r]));
  const bad = relations.some(
    ({ relation: { kind } }) => kind === 'apart' || kind === 'incomparable',
  );
  if (bad || contradictions.length > 0) return EXIT.refused;
  return exitCodeOfAll(excluded.map(({ error }) => error)) ?? EXIT.affirmed;
}

async function run(io: Io, targets: readonly string[], flags: Flags): Promise<void> {
  if (targets.length === 0) {
    refuseIdle(flags, ['kds', 'pcs', 'cache'], 'without a target: no node is attested');
  }
  await requireWritable([flags.save]);
  const appraisal = await readAttestation(io, flags);
  const attested = await attestNodes(io, targets, appraisal);
  try {
    const compared = await compare(io, attested, appraisal, flags);
    const { conformance, excluded } = compared;
    const { nodes } = conformance;
    const files =
      flags.save === undefined || nodes.length === 0
        ? []
        : [{ path: flags.save, bytes: () => encodeRecord(nodes) }];
    const { failures } = await writeAnswerFiles(files);
    if (flags.save !== undefined && nodes.length === 0) {
      io.note(`${flags.save} is not written: no node is left to be recorded`);
    }
    io.exitCode = exitOf(conformance, excluded);
    io.print(conformanceJson(compared), (style) => conformanceText(style, compared));
    reportUnwritten(io, failures);
  } finally {
    attested.close();
  }
}

/** `assay conform TARGET…`: whether attested nodes execute a model in the same way. */
export function registerConform(program: Command, io: Io): void {
  attestationOptions(
    program
      .command('conform')
      .description('attest nodes, run test sets on all, compare every bit of their answers')
      .argument('[target...]', 'host:port of each node'),
  )
    .requiredOption('--model <name>', 'name under which the nodes serve the model')
    .option('--model-version <version>', 'needed where a node has several')
    .requiredOption(
      '--vectors <path>',
      'test_data_set_* folder, a folder of such, or an .npz file; repeatable',
      collect,
    )
    .option(
      '--tolerances <file>',
      "the publisher's tolerances.json (default: the one in the only folder that --vectors names)",
    )
    .option('--save <file>', 'write a record: the proof of every answer, to be compared later')
    .option(
      '--with <file>',
      'compare with the nodes of a record, whose proofs are appraised; repeatable',
      collect,
    )
    .addHelpText(
      'after',
      examples(
        'assay conform a:8443 b:8443 --model ocr --vectors ocr/ --policy policy.yaml',
        'assay conform a:8443 b:8443 --model ocr --vectors ocr/ --tolerances t.json --policy policy.yaml',
        'assay conform a:8443 --model ocr --vectors ocr/ --policy policy.yaml --save a.json',
        'assay conform c:8443 --model ocr --vectors ocr/ --policy policy.yaml --with a.json',
      ),
    )
    .action((targets: readonly string[], flags: Flags) => run(io, targets, flags));
}
