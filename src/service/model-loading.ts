import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import type { Admission } from '../../enclave/admission.js';
import type { TriedModel } from '../../enclave/manifest.js';
import type { Engine, LoadedModel } from '../engine/engine.js';
import { EngineError } from '../engine/error.js';
import { executionFacts } from '../engine/profile.js';
import type { Config, ConfiguredModel } from './config-schema.js';
import type { JudgedModel } from './judged-model.js';
import { describeError, type Log } from './log.js';
import { type ConfiguredMeasurement, measureConfigured } from './model-files.js';
import { selfTest } from './self-test.js';
import type { Surroundings } from './surroundings.js';

/** A model in the engine, with what the manifest says of it. */
export interface ServingModel {
  readonly loaded: LoadedModel;
  readonly entry: ManifestModel;
}

/** What it takes to load models. */
export interface Loader {
  readonly config: Config;
  readonly engine: Engine;
  readonly admission: Admission;
  readonly surroundings: Surroundings;
  readonly log: Log;
}

/**
 * The error with the model that it is of, which what a broken file says does not tell. What is no error of
 * Assay stays as it is.
 * @param place of its file, for the operator alone.
 */
export function ofModel({ name, version }: ConfiguredModel, error: unknown, place = ''): unknown {
  if (!(error instanceof AssayError) && !(error instanceof EngineError)) return error;
  if (error.message.startsWith(`model ${name} `)) return error;
  const message = `model ${name} ${version}${place}: ${error.message}`;
  return error instanceof AssayError
    ? new AssayError(error.code, message, error)
    : new EngineError(error.reason, message, error);
}

function intoEngine(
  engine: Engine,
  configured: ConfiguredModel,
  { measured, delicateInputs }: JudgedModel,
): Promise<LoadedModel> {
  const { name, version, intraOpThreads, graphOptimizationLevel } = configured;
  const { bytes, external, operators } = measured;
  const externalData = [...external].map(([path, data]) => ({ path, data }));
  return engine.load(
    { name, version, model: bytes, externalData },
    {
      intraOpThreads,
      graphOptimizationLevel,
      batching: configured.batching,
      maxRun: configured.maxRunSeconds * 1000,
      acceptsEmpty: configured.allowEmptyTensors,
      operators,
      scalarInputs: measured.identity.inputs
        .filter(({ dims }) => dims?.length === 0)
        .map(({ name }) => name),
      delicateInputs,
    },
  );
}

/** Logged of a model whose unloading the hardware did not take. */
export const NOT_TOLD = 'the unloading of a model is yet to be extended into RTMR3';

/** What trying a loaded model shows. */
async function tried(
  loaded: LoadedModel,
  configured: ConfiguredModel,
  { measured, vectors }: ConfiguredMeasurement,
): Promise<TriedModel> {
  const { maxBatchSize, invariance } = loaded.batching;
  const tested = configured.selfTest ? await selfTest(loaded, measured.path, vectors) : null;
  loaded.statistics.restart();
  return { batching: { maxBatchSize, invariance }, selfTest: tested };
}

/** The first of these nodes, and how many more there are. */
function nodesText(nodes: readonly string[]): string {
  const [first = ''] = nodes;
  return `${first.slice(0, 200)}${nodes.length > 1 ? ` and ${nodes.length - 1} more` : ''}`;
}

/**
 * Throws MODEL_UNWRITTEN for a model with which a caller could get what others' requests left in memory,
 * MODEL_OVERRUN for one with which a caller could overwrite it, and MODEL_DIVISION or MODEL_FATAL for one with
 * which a caller could end the process, and every other caller's answers, or with which its loading does.
 */
function assertNothingTraps(
  { fatal, overrunning, trapping, unwritten }: JudgedModel,
  configured: ConfiguredModel,
): void {
  if (fatal.length > 0) {
    throw new AssayError(
      'MODEL_FATAL',
      `expected no node to leave out what ONNX Runtime takes for given, or nest too deep, with which it ends the process, but ${nodesText(fatal)} does; assay admit says what to change`,
    );
  }
  if (overrunning.length > 0) {
    throw new AssayError(
      'MODEL_OVERRUN',
      `expected no node to write beyond its memory, but callers may have ${nodesText(overrunning)} do so; assay admit says what to change`,
    );
  }
  if (unwritten.length > 0) {
    throw new AssayError(
      'MODEL_UNWRITTEN',
      `expected every node to make all of its outputs of its inputs, but ${nodesText(unwritten)} may answer with what earlier requests left in memory; assay admit says what to change`,
    );
  }
  if (configured.allowTrappingDivision || trapping.length === 0) return;
  throw new AssayError(
    'MODEL_DIVISION',
    `expected no division of the least integer by -1, nor by frames of no length, with which a caller ends the process, but ${nodesText(trapping)} may do it; bound the divisor in the model, or say allowTrappingDivision`,
  );
}

/**
 * Throws CONFIG_INVALID where batching names sizes of what
 * is no dimension of the model that may vary with them.
 */
function assertDimensions({ measured }: JudgedModel, { batching }: ConfiguredModel): void {
  const tails = measured.identity.inputs.flatMap(({ dims }) => dims?.slice(1) ?? []);
  const free = new Set(tails.filter((dimension) => typeof dimension === 'string'));
  const unknown = Object.keys(batching.dimensions).find((name) => !free.has(name));
  if (unknown === undefined) return;
  const known = free.size === 0 ? 'none' : [...free].join(', ');
  throw new AssayError(
    'CONFIG_INVALID',
    `batching.dimensions names ${unknown}; the model's free dimensions after the first are: ${known}`,
  );
}

/**
 * Measures a model, has it admitted, then loads what was measured. Rejects with MODEL_*, HUB_*, CONFIG_INVALID,
 * LAUNCH_POLICY_*, MANIFEST_SIZE, EVENT_LOG_FULL, PLATFORM_* or EngineError; a model that was admitted and does
 * not load, does not pass its own test vectors, or does not give what the launch policy requires of them, is
 * freed and retired.
 */
export async function loadModel(
  loader: Loader,
  configured: ConfiguredModel,
): Promise<ServingModel> {
  const { config, engine, admission, surroundings, log } = loader;
  const { name, version } = configured;
  const judged = await measureConfigured(configured.path, config.hub, surroundings);
  assertNothingTraps(judged, configured);
  assertDimensions(judged, configured);
  const { measured } = judged;
  const { identity } = measured;
  log.info({ model: name, version, graph: toHex(identity.graph) }, 'measured a model');
  const profile = await executionFacts(configured);
  const admitted = await admission.admit({ name, version, identity, profile });
  let loaded: LoadedModel | undefined;
  try {
    loaded = await intoEngine(engine, configured, judged);
    const entry = admission.confirm(admitted, await tried(loaded, configured, judged));
    const { sets, identical } = entry.selfTest ?? { sets: 0, identical: 0 };
    const { instances, memory } = loaded;
    const { sizes: _, ...batching } = loaded.batching;
    log.info(
      { model: name, version, batching, instances, memory, selfTest: { sets, identical } },
      'loaded a model',
    );
    return { loaded, entry };
  } catch (error) {
    await loaded?.drain();
    // It is told again: why the model does not load is what its operator has to know.
    await admission.retire(admitted).catch((cause: unknown) => {
      log.warn({ model: name, version, ...describeError(cause) }, NOT_TOLD);
    });
    throw error;
  }
}
