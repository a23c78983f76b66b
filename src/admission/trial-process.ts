/*
 * A process of its own for each trial: what it takes can be measured, and a runtime that aborts takes
 * nothing else with it.
 */
import { InferenceSession, type Tensor as OrtTensor } from 'onnxruntime-node';
import { sameBits, type Tensor } from '../client/tensor.js';
import { storeFloat16InUint16 } from '../engine/float16.js';
import { fromOrt, toOrt } from '../engine/ort-tensor.js';
import { sessionOptions } from '../engine/session-options.js';
import { answerQuestions } from '../system/isolated-process.js';
import { readExecutable } from './model-source.js';
import { setOpset } from './opset-import.js';
import type { TrialJob, TrialResult, TrialRun } from './trial-messages.js';

const MIN_RUNS = 3;

storeFloat16InUint16();

function feedsOf(inputs: readonly Tensor[]): Record<string, OrtTensor> {
  return Object.fromEntries(
    inputs.map(({ name, datatype, shape, data }) => {
      const copy = new Uint8Array(data);
      return [name, toOrt(datatype, shape, copy.buffer, 0, copy.length)];
    }),
  );
}

async function runOnce(session: InferenceSession, inputs: readonly Tensor[]): Promise<Tensor[]> {
  const results = await session.run(feedsOf(inputs));
  return session.outputNames.flatMap((name) => {
    const result = results[name];
    if (result === undefined) return [];
    const { datatype, shape, data } = fromOrt(result);
    return [{ name, datatype, shape, data: new Uint8Array(data) }];
  });
}

async function runTwice(session: InferenceSession, inputs: readonly Tensor[]): Promise<TrialRun> {
  try {
    const outputs = await runOnce(session, inputs);
    return { outputs, repeats: sameBits(outputs, await runOnce(session, inputs)) };
  } catch (error) {
    return { failure: error instanceof Error ? error.message : String(error) };
  }
}

async function medianLatency(
  session: InferenceSession,
  inputs: readonly Tensor[],
  budget: number,
): Promise<number> {
  const feeds = feedsOf(inputs);
  const times: number[] = [];
  const end = performance.now() + budget;
  while (times.length < MIN_RUNS || performance.now() < end) {
    const started = performance.now();
    await session.run(feeds);
    times.push(performance.now() - started);
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length / 2)] ?? 0;
}

async function trial(job: TrialJob): Promise<TrialResult> {
  const { bytes, external } = await readExecutable(job.model);
  if (job.opset !== undefined) setOpset(bytes, job.opset);
  const before = process.memoryUsage.rss();
  const started = performance.now();
  let session: InferenceSession;
  try {
    session = await InferenceSession.create(
      bytes,
      sessionOptions(
        { graphOptimizationLevel: job.optimization, intraOpThreads: job.threads },
        [...external].map(([path, data]) => ({ path, data })),
      ),
    );
  } catch (error) {
    return { kind: 'failed', reason: error instanceof Error ? error.message : String(error) };
  }
  const load = performance.now() - started;
  const runs: TrialRun[] = [];
  for (const inputs of job.sets) runs.push(await runTwice(session, inputs));
  const memory = process.memoryUsage.rss() - before;
  const first = job.sets.find((_, index) => 'outputs' in (runs[index] ?? {}));
  const latency = first === undefined ? null : await medianLatency(session, first, job.budget);
  return { kind: 'done', load, memory, latency, runs };
}

answerQuestions<TrialJob, TrialResult>((job) =>
  trial(job).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    return { kind: 'failed', reason };
  }),
);
