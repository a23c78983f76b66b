import { describeKind, type Kinds, Neighbours } from './batch-neighbours.js';
import { BatchProof } from './batch-proof.js';
import { Samples } from './batch-samples.js';
import { batchShapes, describeTails, type Tails, tailsKey } from './batch-shapes.js';
import { probe, type Swept, sweep } from './batch-sweep.js';
import { BatchTrial, type TrialWorker } from './batch-trial.js';
import type { BatchingOutcome, LoadOptions } from './engine.js';
import { extremesOf } from './sample-inputs.js';
import type { Signature } from './worker-thread.js';

const DEFAULT_MAX_BATCH_SIZE = 32;

/** What the proofs of all shapes may take together (milliseconds of the worker). */
const PROOF_BUDGET = 10_000;
/**
 * Operators whose result for a row may depend on other rows in a way that samples need not show:
 * scales taken over the whole tensor, random draws, branches on data.
 */
const MIXING = new Set([
  'DynamicQuantizeLinear',
  'DynamicQuantizeMatMul',
  'DynamicQuantizeLSTM',
  'RandomNormal',
  'RandomNormalLike',
  'RandomUniform',
  'RandomUniformLike',
  'Bernoulli',
  'Multinomial',
  'If',
  'Loop',
  'Scan',
]);

const alone = (invariance: BatchingOutcome['invariance'], reason: string): BatchingOutcome => ({
  maxBatchSize: 1,
  sizes: new Map(),
  invariance,
  reason,
});

/** Why the signature or the operators rule batches out, before anything is executed. */
function ruledOut(signature: Signature, options: LoadOptions): string | undefined {
  const { inputs, outputs } = signature;
  if (inputs.length === 0) return 'the model has no inputs';
  if ([...inputs, ...outputs].some(({ datatype }) => datatype === 'BYTES')) {
    return 'strings have no rows of equal size';
  }
  const { operators, delicateInputs = [] } = options;
  const delicate = inputs.find(
    ({ name, datatype }) => extremesOf(datatype).length > 0 && delicateInputs.includes(name),
  );
  if (delicate !== undefined) {
    return `extreme values in input ${delicate.name} could exhaust memory or end the process`;
  }
  if (operators === undefined) return 'the operators of the graph were not given';
  const mixing = operators.find((operator) => MIXING.has(operator));
  return mixing === undefined ? undefined : `the graph has ${mixing}, which can mix rows`;
}

/** Rows of the largest batch that can be proven with all smaller ones in so many milliseconds, about. */
function affordable(budget: number, batchesPerSize: number, perRow: number): number {
  // The proof of sizes up to s executes about s²/2 rows for each of its batches of a size.
  return Math.floor(Math.sqrt((2 * budget) / (batchesPerSize * perRow)));
}

/** What all shapes have in common. */
interface Gate {
  readonly worker: TrialWorker;
  readonly loadId: number;
  readonly signature: Signature;
  readonly max: number;
  readonly sweeps: boolean;
  /** How many shapes share what the load may take. */
  readonly shapes: number;
}

/** What one shape's trial showed. */
interface Shown {
  /** Rows of a batch that were proven; 1: batches do not pay. */
  readonly size: number;
  readonly kinds: Kinds;
}

function measure(trial: BatchTrial, samples: Samples, gate: Gate): Promise<Swept> {
  const { max, sweeps, shapes } = gate;
  const time = async (rows: number): Promise<number> =>
    (await trial.run(await samples.ordinary(rows))).took;
  if (sweeps) return sweep(time, max, shapes);
  return probe(time, max, (perRow) => affordable(PROOF_BUDGET / shapes, 3, perRow));
}

/** @returns what it showed, or why requests of all shapes are executed alone. */
async function tryShape(gate: Gate, tails: Tails): Promise<Shown | BatchingOutcome> {
  const { worker, loadId, signature, shapes } = gate;
  const trial = new BatchTrial(worker, loadId, signature, tails);
  const samples = new Samples(signature.inputs, tails);
  const { size, perRow } = await measure(trial, samples, gate);
  const budget = PROOF_BUDGET / shapes;
  const end = trial.spent + budget;
  const neighbours = new Neighbours(trial, samples, signature.inputs, end);
  const { tried } = neighbours;
  if (size === 1) return { size, kinds: tried };
  await neighbours.find();
  const proof = new BatchProof(trial, samples, neighbours, { budget, end });
  const { batchesPerSize, left } = proof;
  const most = Math.min(size, affordable(Math.max(0, left), batchesPerSize, perRow));
  if (most < 2) {
    return alone('unproven', `a proof would take longer than ${Math.round(budget)} ms`);
  }
  const { untried } = neighbours;
  if (untried !== undefined) {
    const reason = `no row with extreme values but zero in input ${untried.name} could be executed`;
    return alone('unproven', reason);
  }
  const proven = await proof.prove(most);
  return typeof proven === 'string' ? alone('varies', proven) : { size: proven, kinds: tried };
}

/** Of each input the kinds that were tried with every shape; inputs with the same are named together. */
function describeKinds(all: readonly Kinds[]): string {
  const inputs = new Map<string, string[]>();
  for (const [name, first] of all[0] ?? []) {
    const common = first.filter((kind) => all.every((kinds) => kinds.get(name)?.includes(kind)));
    const text = common.map(describeKind).join(', ');
    if (text !== '') inputs.set(text, [...(inputs.get(text) ?? []), name]);
  }
  return [...inputs].map(([kinds, names]) => `${kinds} (${names.join(', ')})`).join('; ');
}

function outcomeOf(sizes: ReadonlyMap<string, number>, kinds: readonly Kinds[]): BatchingOutcome {
  const maxBatchSize = Math.max(...sizes.values());
  if (maxBatchSize === 1) {
    return alone('off', 'the sweep found no batch size faster than one at a time');
  }
  const extremes = describeKinds(kinds);
  const rows = extremes === '' ? '' : `: of ordinary ones, and of those with ${extremes}`;
  const reason = `batches of 2 to ${maxBatchSize} changed no bit of any row${rows}`;
  return { maxBatchSize, sizes, invariance: 'proven', reason };
}

/**
 * Decides, on a worker that has just loaded the model, whether and how far requests may share executions: the
 * signature and the operators must allow it, a sweep must show that it is faster, and then every size up to
 * the best one must prove that no bit of a row depends on its neighbours or its place. Kernels choose their
 * way by shape, so each shape is proven by itself. Of sizes that cannot all be proven in time, the smaller
 * ones are.
 */
export async function decideBatching(
  worker: TrialWorker,
  loadId: number,
  signature: Signature,
  options: LoadOptions,
): Promise<BatchingOutcome> {
  const { maxBatchSize: max = DEFAULT_MAX_BATCH_SIZE, sweep: sweeps = true } =
    options.batching ?? {};
  if (max <= 1) return alone('off', 'max_batch_size is below 2');
  const reason = ruledOut(signature, options);
  if (reason !== undefined) return alone('unproven', reason);
  const all = batchShapes(signature.inputs, options.batching?.dimensions ?? {});
  if (typeof all === 'string') return alone('unproven', all);
  const gate = { worker, loadId, signature, max, sweeps, shapes: all.length };
  const sizes = new Map<string, number>();
  const kinds: Kinds[] = [];
  try {
    for (const tails of all) {
      const shown = await tryShape(gate, tails);
      if ('reason' in shown) {
        return { ...shown, reason: `${shown.reason}, with inputs ${describeTails(tails)}` };
      }
      sizes.set(tailsKey(tails), shown.size);
      if (shown.size > 1) kinds.push(shown.kinds);
    }
  } catch (error) {
    if (!worker.alive) throw error;
    return alone('unproven', 'the model could not be executed on samples');
  }
  return outcomeOf(sizes, kinds);
}
