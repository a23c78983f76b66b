import type { Contender } from './contender.js';
import { median, medianInterval } from './measure.js';
import type { Report } from './report.js';
import type { ServingModel } from './serving-models.js';
import { CEILING, measure, ROUNDS, SECONDS, shapeOf } from './throughput.js';

const CONTENDER = 'Assay';
const OUTSTANDING = 64;
/** Many rounds rather than long ones: a neighbour's work strikes some of them, and whole. */
const BAR_ROUNDS = 4 * ROUNDS;

/** What requests/s with receipts have to be of another contender's. */
const BARS = [
  { model: 'mlp', over: 'naive', limit: 1.6 },
  { model: 'ocr-detector', over: 'naive', limit: 1.25 },
  { model: 'ocr-detector', over: 'Assay, receipts off', limit: 0.95 },
] as const;

/**
 * Judges throughput by its ratio in rounds in which each contender takes its turn, the first another in
 * each round: what slows the machine down for longer than a round leaves the ratio alone.
 */
export async function measureBars(
  contenders: readonly Contender[],
  models: readonly ServingModel[],
  report: Report,
): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const model of models) {
    const bars = BARS.filter((bar) => bar.model === model.name);
    const names = new Set<string>([CONTENDER, ...bars.map(({ over }) => over)]);
    const chosen = contenders.filter(({ name }) => names.has(name));
    const alone = report.rows.find(
      (row) => row.model === model.name && row.contender === CEILING,
    )?.perSecond;
    if (bars.length === 0 || alone === undefined) continue;
    const shape = shapeOf(OUTSTANDING, alone, 0.75 * SECONDS);
    const rates = new Map<string, number[]>();
    for (let round = 0; round < BAR_ROUNDS; round++) {
      for (let turn = 0; turn < chosen.length; turn++) {
        const contender = chosen[(round + turn) % chosen.length];
        if (contender === undefined) continue;
        const { perSecond } = await measure(contender, model, shape);
        rates.set(contender.name, [...(rates.get(contender.name) ?? []), perSecond]);
      }
    }
    for (const { over, limit } of bars) {
      const below = rates.get(over) ?? [];
      const ratios = (rates.get(CONTENDER) ?? []).map((rate, i) => rate / (below[i] ?? Number.NaN));
      const [value, interval] = [median(ratios), medianInterval(ratios)];
      const what = `${model.name}, ${OUTSTANDING} outstanding, requests/s with receipts over ${over}`;
      report.bar({ what, value, limit, atLeast: true, interval });
      rows.push([model.name, over, value, interval.low, interval.high]);
    }
  }
  if (rows.length === 0) return;
  report.table(
    `Requests/s with receipts over another's, ${OUTSTANDING} outstanding, ${BAR_ROUNDS} rounds side by side`,
    ['model', 'over', 'median', '95 % from', 'to'],
    rows,
  );
}
