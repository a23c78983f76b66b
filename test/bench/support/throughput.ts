import type { Contender } from './contender.js';
import { type LoadResult, load } from './load.js';
import type { Row } from './report.js';
import { INFER, inferMessage } from './request.js';
import type { ServingModel } from './serving-models.js';

const ROUNDS = Number(process.env['BENCH_ROUNDS'] ?? 3);
const SECONDS = Number(process.env['BENCH_SECONDS'] ?? 3);
const WARM_UP_OUTSTANDING = 16;
const OUTSTANDING = [1, 8, 64] as const;

interface Point extends LoadResult {
  readonly cpu: number;
}

const median = (values: readonly number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;

async function measure(
  contender: Contender,
  model: ServingModel,
  outstanding: number,
): Promise<Point> {
  const before = await contender.usage();
  const result = await load({
    target: contender.target,
    method: INFER,
    message: inferMessage(model),
    outstanding,
    seconds: SECONDS,
  });
  const after = await contender.usage();
  // One second of warming up is in the processor's time, not in the count.
  return { ...result, cpu: (after.cpu - before.cpu) / (result.perSecond * (SECONDS + 1)) };
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
    spread: [Math.min(...rates), Math.max(...rates)],
    p50: median(points.map(({ p50 }) => p50)),
    p99: median(points.map(({ p99 }) => p99)),
    cpu: median(points.map(({ cpu }) => cpu)),
  };
}

/** Measures contenders in turns, so that whatever else the machine does strikes them all. */
export async function measureModel(
  contenders: readonly Contender[],
  model: ServingModel,
): Promise<Row[]> {
  const rows: Row[] = [];
  // Compiled code is what is measured: each server has seen this model for a while.
  for (const contender of contenders) await measure(contender, model, WARM_UP_OUTSTANDING);
  for (const outstanding of OUTSTANDING) {
    const points = contenders.map((): Point[] => []);
    for (let round = 0; round < ROUNDS; round++) {
      for (const [index, contender] of contenders.entries()) {
        points[index]?.push(await measure(contender, model, outstanding));
      }
    }
    contenders.forEach(({ name }, index) => {
      rows.push(summary(model.name, name, outstanding, points[index] ?? []));
    });
  }
  return rows;
}
