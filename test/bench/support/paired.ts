import type { Contender } from './contender.js';
import type { LoadResult } from './load.js';
import { median, medianInterval } from './measure.js';
import type { Report } from './report.js';
import type { ServingModel } from './serving-models.js';
import { CEILING, measure, ROUNDS, SECONDS, shapeOf } from './throughput.js';

const CONTENDER = 'Assay';
const WITHOUT = 'Assay, receipts off';
const MOST = 64;
/** Many rounds rather than long ones: a neighbour's work strikes some of them, and whole. */
const BAR_ROUNDS = 4 * ROUNDS;

/** What requests/s with receipts have to be of another contender's. */
const RATES = [
  { model: 'mlp', over: 'naive', limit: 1.6 },
  { model: 'ocr-detector', over: 'naive', limit: 1.25 },
  { model: 'ocr-detector', over: WITHOUT, limit: 0.95 },
] as const;

/** Milliseconds that receipts may add to p50, one request after another. */
const ADDED = { models: ['mlp', 'ocr-detector'], limit: 0.15 } as const;

/**
 * Rounds in which each contender takes its turn, the first another in each round: what slows the machine
 * down for longer than a round strikes them all. Undefined where the model was not measured alone.
 */
async function inTurns(
  contenders: readonly Contender[],
  { rows }: Report,
  model: ServingModel,
  outstanding: number,
): Promise<((name: string) => readonly LoadResult[]) | undefined> {
  const alone = rows.find((row) => row.model === model.name && row.contender === CEILING);
  if (alone === undefined) return undefined;
  const shape = shapeOf(outstanding, alone.perSecond, 0.75 * SECONDS);
  const rounds = contenders.map((): LoadResult[] => []);
  for (let round = 0; round < BAR_ROUNDS; round++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const index = (round + turn) % contenders.length;
      const contender = contenders[index];
      if (contender !== undefined) {
        rounds[index]?.push(await measure(contender, model, shape));
      }
    }
  }
  return (name) => rounds[contenders.findIndex((contender) => contender.name === name)] ?? [];
}

/** Judges throughput by its ratio in each round. */
export async function measureBars(
  contenders: readonly Contender[],
  models: readonly ServingModel[],
  report: Report,
): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const model of models) {
    const bars = RATES.filter((bar) => bar.model === model.name);
    const names = new Set<string>([CONTENDER, ...bars.map(({ over }) => over)]);
    const chosen = contenders.filter(({ name }) => names.has(name));
    const results = bars.length > 0 ? await inTurns(chosen, report, model, MOST) : undefined;
    if (results === undefined) continue;
    for (const { over, limit } of bars) {
      const below = results(over);
      const ratios = results(CONTENDER).map(
        ({ perSecond }, i) => perSecond / (below[i]?.perSecond ?? Number.NaN),
      );
      const [value, interval] = [median(ratios), medianInterval(ratios)];
      const what = `${model.name}, ${MOST} outstanding, requests/s with receipts over ${over}`;
      report.bar({ what, value, limit, atLeast: true, interval });
      rows.push([model.name, over, value, interval.low, interval.high]);
    }
  }
  if (rows.length === 0) return;
  report.table(
    `Requests/s with receipts over another's, ${MOST} outstanding, ${BAR_ROUNDS} rounds side by side`,
    ['model', 'over', 'median', '95 % from', 'to'],
    rows,
  );
}

/**
 * What receipts add to the p50 of a caller who waits for each answer, by the difference in each round. The
 * caller is h2load as everywhere: a client in Node empties the caches that a server answers from.
 */
export async function measureReceipts(
  contenders: readonly Contender[],
  models: readonly ServingModel[],
  report: Report,
): Promise<void> {
  const chosen = contenders.filter(({ name }) => name === CONTENDER || name === WITHOUT);
  const rows: (string | number)[][] = [];
  for (const model of models) {
    const judged = ADDED.models.some((name) => name === model.name);
    const results = judged ? await inTurns(chosen, report, model, 1) : undefined;
    if (results === undefined) continue;
    const [off, on] = [WITHOUT, CONTENDER].map((name) => results(name).map(({ p50 }) => p50));
    if (off === undefined || on === undefined) continue;
    const added = on.map((p50, i) => p50 - (off[i] ?? Number.NaN));
    const [value, interval] = [median(added), medianInterval(added)];
    const what = `${model.name}, 1 outstanding, ms that receipts add to p50`;
    report.bar({ what, value, limit: ADDED.limit, atLeast: false, interval });
    const range = `${interval.low.toFixed(3)} – ${interval.high.toFixed(3)}`;
    rows.push([model.name, median(off), median(on), value.toFixed(3), range]);
  }
  if (rows.length === 0) return;
  report.table(
    `What receipts add to p50 at 1 outstanding, ${BAR_ROUNDS} rounds side by side`,
    ['model', 'off, ms', 'on, ms', 'added, ms', '95 %'],
    rows,
  );
}
