import { pack, unpack } from './batch.js';
import type { InferenceResult } from './engine.js';
import { asEngineError, EngineError } from './error.js';
import type { ExecutionResult } from './messages.js';
import type { Pending } from './pending.js';
import type { Executor } from './worker-thread.js';

/** Requests of one execution, taken from a model's queue. */
export type Batch = readonly [Pending, ...Pending[]];

/** Of its inputs alone: what else a message has does not make an execution longer, and is any caller's to pad. */
export function bytesIn(batch: Batch): number {
  return batch.reduce((sum, { inputBytes }) => sum + inputBytes, 0);
}

/** The one address that all of it is of; undefined where there are several. */
export function addressIn(series: readonly Batch[]): string | undefined {
  const address = series[0]?.[0].address;
  const alone = series.every((batch) => batch.every((pending) => pending.address === address));
  return alone ? address : undefined;
}

/**
 * What came of a batch: the result of each of its requests, or what is wrong with it; undefined where the
 * worker was lost at another.
 */
export type Outcome = readonly InferenceResult[] | EngineError | undefined;

/** Executes batches one after another on one worker; answers nobody, never rejects. */
export async function runSeries(
  loadId: number,
  series: readonly Batch[],
  worker: Executor,
  context: Uint8Array | undefined,
): Promise<readonly Outcome[]> {
  try {
    const { began, outcomes } = await worker.runSeries(
      series.map((batch) => pack(loadId, batch, context)),
    );
    const took = outcomes.map(millisecondsOf);
    // The answers of the series before it may have come long before the event loop had time for them.
    const latest = performance.now() - took.reduce((sum, each) => sum + each, 0);
    let started = Math.min(began, latest);
    return series.map((batch, i) => {
      const result = outcomes[i];
      if (result === undefined || result instanceof EngineError) return result;
      const outcome = outcomeOf(batch, result, started);
      started += took[i] ?? 0;
      return outcome;
    });
  } catch (error) {
    return series.map(() => asEngineError(error));
  }
}

function millisecondsOf(result: ExecutionResult | EngineError | undefined): number {
  if (result === undefined || result instanceof EngineError) return 0;
  return (result.computeInput + result.computeInfer + result.computeOutput) / 1e6;
}

function outcomeOf(batch: Batch, result: ExecutionResult, started: number): Outcome {
  try {
    return unpack(batch, result, started);
  } catch (error) {
    return asEngineError(error);
  }
}
