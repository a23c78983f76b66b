import type { Contender } from './contender.js';
import { median } from './measure.js';
import type { Report } from './report.js';
import type { ServingModel } from './serving-models.js';
import { measure } from './throughput.js';

const PAIRS = 11;
const SHAPE = { outstanding: 1, ramp: 0.1, seconds: 0.4 } as const;

/**
 * What receipts add to the p50 of a caller who waits for each answer: the same server without and with
 * them in turns, the order changing, and the median of the differences of the pairs.
 */
export async function measureReceipts(
  contenders: readonly Contender[],
  models: readonly ServingModel[],
  report: Report,
): Promise<void> {
  const off = contenders.find(({ name }) => name === 'Assay, receipts off');
  const on = contenders.find(({ name }) => name === 'Assay');
  if (off === undefined || on === undefined) return;
  const rows: (string | number)[][] = [];
  for (const model of models.filter(({ name }) => name === 'mlp' || name === 'ocr-detector')) {
    const p50 = async (contender: Contender): Promise<number> =>
      (await measure(contender, model, SHAPE)).p50;
    const pairs: { off: number; on: number }[] = [];
    for (let pair = 0; pair < PAIRS; pair++) {
      if (pair % 2 === 0) pairs.push({ off: await p50(off), on: await p50(on) });
      else pairs.push({ on: await p50(on), off: await p50(off) });
    }
    const added = pairs.map((pair) => pair.on - pair.off).sort((a, b) => a - b);
    const value = median(added);
    report.bar({
      what: `${model.name}, 1 outstanding, ms that receipts add to p50`,
      value,
      limit: 0.15,
      atLeast: false,
    });
    rows.push([
      model.name,
      median(pairs.map((pair) => pair.off)),
      median(pairs.map((pair) => pair.on)),
      value.toFixed(3),
      `${added[0]?.toFixed(3)} – ${added.at(-1)?.toFixed(3)}`,
    ]);
  }
  if (rows.length === 0) return;
  report.table(
    `What receipts add to p50 at 1 outstanding, ${PAIRS} pairs`,
    ['model', 'off, ms', 'on, ms', 'added, ms', 'spread of the pairs'],
    rows,
  );
}
