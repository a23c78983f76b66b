import { batchShapes, describeTails, type Tails, tailsKey } from './batch-shapes.js';
import { sweep } from './batch-sweep.js';
import { BatchTrial, type Row } from './batch-trial.js';
import type { BatchingOutcome, LoadOptions } from './engine.js';
import { ADVERSARIES, type SampleKind, sampleRow, sampler } from './sample-inputs.js';
import type { Signature, WorkerThread } from './worker-thread.js';

const DEFAULT_MAX_BATCH_SIZE = 32;

/** What the proofs of all shapes may take (milliseconds), and how many batches of each size it executes. */
const PROOF_BUDGET = 10_000;
const BATCHES_PER_SIZE = 13;
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
  const { operators } = options;
  if (operators === undefined) return 'the operators of the graph were not given';
  const mixing = operators.find((operator) => MIXING.has(operator));
  return mixing === undefined ? undefined : `the graph has ${mixing}, which can mix rows`;
}

/**
 * The size with the highest throughput that can be proven; 1 where batches do not pay.
 * @param proofBudget milliseconds that the proof of that size may take.
 */
async function bestSize(
  trial: BatchTrial,
  pool: readonly Row[],
  proofBudget: number,
): Promise<number> {
  const time = async (rows: number): Promise<number> => {
    const started = performance.now();
    await trial.run(pool.slice(0, rows));
    return performance.now() - started;
  };
  const { size, perRow } = await sweep(time, pool.length);
  // Rows that the proof of sizes up to s executes: about s²/2 for each of its batches of a size.
  const affordable = Math.sqrt((2 * proofBudget) / (BATCHES_PER_SIZE * perRow));
  return Math.max(1, Math.min(size, Math.floor(affordable)));
}

/** Whether the model executes a row alone: an adversary may be out of its range. */
async function accepts(trial: BatchTrial, row: Row): Promise<boolean> {
  try {
    return (await trial.perRow([row])) !== undefined;
  } catch (error) {
    if (!trial.alive) throw error;
    return false;
  }
}

/**
 * Puts ordinary rows into every slot of every size from 2 to `max`, among other ordinary rows and
 * between adversaries, and compares each with itself alone, bit for bit. Undefined: all are equal.
 */
async function findDifference(
  trial: BatchTrial,
  pool: readonly Row[],
  adversaries: ReadonlyMap<SampleKind, Row>,
  max: number,
): Promise<string | undefined> {
  const expected: Buffer[] = [];
  for (const row of pool) {
    const bytes = (await trial.perRow([row]))?.[0];
    if (bytes === undefined) return 'an output has not one row for each row of the inputs';
    expected.push(bytes);
  }
  const neighbours = new Map<SampleKind, Row>();
  for (const [kind, row] of adversaries) {
    if (await accepts(trial, row)) neighbours.set(kind, row);
  }
  const compare = async (slots: readonly (number | SampleKind)[]): Promise<string | undefined> => {
    const rows = slots.map((slot) =>
      typeof slot === 'number' ? (pool[slot] ?? []) : (neighbours.get(slot) ?? []),
    );
    const actual = await trial.perRow(rows);
    const wrong = slots.findIndex((slot, index) => {
      const want = typeof slot === 'number' ? expected[slot] : undefined;
      return want !== undefined && !(actual?.[index]?.equals(want) ?? false);
    });
    if (wrong === -1) return undefined;
    return `in a batch of ${slots.length}, row ${wrong} differs from the same row alone`;
  };
  for (let size = 2; size <= max; size++) {
    const slots = Array.from({ length: size }, (_, slot) => slot);
    for (const turn of [0, Math.ceil(pool.length / 3), Math.ceil(pool.length / 2)]) {
      const found = await compare(slots.map((slot) => (slot + turn) % pool.length));
      if (found !== undefined) return found;
    }
    for (const kind of neighbours.keys()) {
      for (const parity of [0, 1]) {
        const mixed = slots.map((slot) => (slot % 2 === parity ? slot % pool.length : kind));
        const found = await compare(mixed);
        if (found !== undefined) return `${found} (its neighbours are ${kind})`;
      }
    }
  }
  return undefined;
}

/** What one shape's trial showed: a batch size, or the row that a neighbour changed. */
async function tryShape(
  thread: WorkerThread,
  loadId: number,
  signature: Signature,
  tails: Tails,
  { max, sweeps, proofBudget }: { max: number; sweeps: boolean; proofBudget: number },
): Promise<number | string> {
  const { inputs } = signature;
  const trial = new BatchTrial(thread, loadId, signature, tails);
  const random = sampler(0x41737361);
  const pool = Array.from({ length: max }, () => sampleRow(inputs, tails, 'ordinary', random));
  const adversaries = new Map(
    ADVERSARIES.map((kind) => [kind, sampleRow(inputs, tails, kind, random)]),
  );
  const best = sweeps ? await bestSize(trial, pool, proofBudget) : max;
  if (best === 1) return best;
  return (await findDifference(trial, pool, adversaries, best)) ?? best;
}

/**
 * Decides, on a worker that has just loaded the model and does nothing else, whether and how far
 * requests may share executions: the signature and the operators must allow it, a sweep must show
 * that it is faster, and then every size up to the best one must prove that no bit of a row depends
 * on its neighbours. Kernels choose their way by shape, so each shape is proven by itself.
 */
export async function decideBatching(
  thread: WorkerThread,
  loadId: number,
  signature: Signature,
  options: LoadOptions,
): Promise<BatchingOutcome> {
  const { maxBatchSize: max = DEFAULT_MAX_BATCH_SIZE, sweep = true } = options.batching ?? {};
  if (max <= 1) return alone('off', 'max_batch_size is below 2');
  const reason = ruledOut(signature, options);
  if (reason !== undefined) return alone('unproven', reason);
  const shapes = batchShapes(signature.inputs, options.batching?.dimensions ?? {});
  if (typeof shapes === 'string') return alone('unproven', shapes);
  const proofBudget = PROOF_BUDGET / shapes.length;
  const sizes = new Map<string, number>();
  try {
    for (const tails of shapes) {
      const settings = { max, sweeps: sweep, proofBudget };
      const found = await tryShape(thread, loadId, signature, tails, settings);
      if (typeof found === 'string') {
        return alone('varies', `${found}, with inputs ${describeTails(tails)}`);
      }
      sizes.set(tailsKey(tails), found);
    }
  } catch (error) {
    if (!thread.alive) throw error;
    return alone('unproven', 'the model could not be executed on samples');
  }
  const best = Math.max(...sizes.values());
  if (best === 1) return alone('off', 'the sweep found no batch size faster than one at a time');
  return {
    maxBatchSize: best,
    sizes,
    invariance: 'proven',
    reason: `batches of 2 to ${best} changed no bit of any row, among ordinary and extreme neighbours`,
  };
}
