import assert from 'node:assert/strict';
import { openCeiling } from './ceiling.js';
import type { Contender } from './contender.js';
import { type Load, type LoadResult, load } from './load.js';
import { median } from './measure.js';
import type { Report } from './report.js';
import type { Row } from './row.js';
import { answerOf, countsOf, INFER, inferMessage } from './rpc.js';
import type { ServingModel } from './serving-models.js';

export const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
export const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 0.8);
const WARM_UP = { outstanding: 16, seconds: Number(process.env['BENCH_WARM_UP'] ?? 6) };
/** Seconds: a machine that others keep busy must not stretch the run without bound. */
const LONGEST_WAIT = 4;
export const CEILING = 'one session, in process';

/** How a point is loaded. */
export type Shape = Pick<Load, 'outstanding' | 'ramp' | 'seconds'>;

/** Loads a contender with requests of a model; rejects where a request failed that it can tell. */
export type Generate = (
  contender: Contender,
  model: ServingModel,
  shape: Shape,
) => Promise<LoadResult>;

export const h2load: Generate = ({ target }, model, shape) =>
  load({ target, method: INFER, message: inferMessage(model), ...shape });

interface Point extends LoadResult {
  /** Processor milliseconds of the server for each request. */
  readonly cpu: number;
}

/**
 * Loads a contender and counts what it answered. Throws where it answered a single request with an error:
 * h2load sees HTTP's status alone, so the server's own counts have to cover what h2load saw.
 */
export async function measure(
  contender: Contender,
  model: ServingModel,
  shape: Shape,
  generate: Generate = h2load,
): Promise<Point> {
  const { name, caller } = contender;
  const [usage, counts] = [await contender.usage(), await countsOf(caller, model.name)];
  const result = await generate(contender, model, shape);
  const [usageAfter, after] = [await contender.usage(), await countsOf(caller, model.name)];
  const succeeded = after.succeeded - counts.succeeded;
  // The requests that are abandoned at the end may count as failed.
  if (succeeded < result.responses || after.failed - counts.failed > shape.outstanding) {
    throw new Error(
      `${name} answered ${succeeded} of ${result.responses} requests for ${model.name} and failed ` +
        `${after.failed - counts.failed}, at ${shape.outstanding} outstanding`,
    );
  }
  return { ...result, cpu: (usageAfter.cpu - usage.cpu) / succeeded };
}

function summary(
  model: string,
  contender: string,
  outstanding: number,
  points: readonly Point[],
): Row {
  const rates = points.map(({ perSecond }) => perSecond);
  return {
    model,
    contender,
    outstanding,
    perSecond: median(rates),
    rounds: rates,
    p50: median(points.map(({ p50 }) => p50)),
    p99: median(points.map(({ p99 }) => p99)),
    cpu: median(points.map(({ cpu }) => cpu)),
  };
}

/** Long enough that what waits at one time is answered twice over. */
export function shapeOf(outstanding: number, perSecond: number, seconds: number): Shape {
  const wait = Math.min(outstanding / perSecond, LONGEST_WAIT);
  return { outstanding, ramp: Math.max(0.25, wait), seconds: Math.max(seconds, 2 * wait) };
}

/** Each contender answers as plain ONNX Runtime does, bit for bit, before it is measured. */
async function assertSameBits(
  contenders: readonly Contender[],
  model: ServingModel,
  expected: Buffer,
): Promise<void> {
  for (const { name, caller } of contenders) {
    const answer = await answerOf(caller, model);
    assert.ok(
      answer.equals(expected),
      `${name} does not answer ${model.name} as ONNX Runtime does`,
    );
  }
}

/**
 * Measures contenders in turns, so that whatever else the machine does strikes them all, and plain ONNX
 * Runtime in this process in the same rounds. Reports each row as soon as it is there.
 */
export async function measureModel(
  contenders: readonly Contender[],
  model: ServingModel,
  concurrencies: readonly number[],
  report: Report,
  { generate = h2load, rounds = ROUNDS }: Partial<{ generate: Generate; rounds: number }> = {},
): Promise<void> {
  const ceiling = await openCeiling(model);
  await assertSameBits(contenders, model, ceiling.answer);
  // Compiled code is what is measured: V8 compiles for some thousands of requests (2.5 s of processor time).
  const warming = shapeOf(WARM_UP.outstanding, await ceiling.measure(0.4), WARM_UP.seconds);
  for (const contender of contenders) {
    await measure(contender, model, warming, generate);
  }
  const alone: number[] = [];
  for (let round = 0; round < ROUNDS; round++) alone.push(await ceiling.measure(SECONDS / 2));
  await ceiling.release();
  report.add({
    model: model.name,
    contender: CEILING,
    outstanding: 1,
    perSecond: median(alone),
    rounds: alone,
    p50: 1000 / median(alone),
    p99: Number.NaN,
    cpu: Number.NaN,
  });
  for (const outstanding of concurrencies) {
    const shape = shapeOf(outstanding, median(alone), SECONDS);
    const points = contenders.map((): Point[] => []);
    for (let round = 0; round < rounds; round++) {
      for (const [index, contender] of contenders.entries()) {
        points[index]?.push(await measure(contender, model, shape, generate));
      }
    }
    contenders.forEach(({ name }, index) => {
      report.add(summary(model.name, name, outstanding, points[index] ?? []));
    });
  }
}
