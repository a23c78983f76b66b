import { median, medianInterval } from './measure.js';
import type { Report } from './report.js';
import type { ServingModel } from './serving-models.js';
import type { Behind } from './why.js';

const OWN = 'Assay';

interface Comparison extends Behind {
  /** Requests/s of ours over the peer's. */
  readonly ratio: number;
  readonly ahead: string;
}

function compare(
  report: Report,
  models: readonly ServingModel[],
  concurrencies: readonly number[],
  peers: readonly string[],
): readonly Comparison[] {
  return models.flatMap(({ name: model }) =>
    concurrencies.flatMap((outstanding) =>
      peers.map((peer) => {
        const ratios = report.ratios(model, outstanding, OWN, peer);
        const { low, high } = medianInterval(ratios);
        const ahead = low > 1 ? OWN : high < 1 ? peer : 'neither';
        const what = `${model}, ${outstanding} outstanding, requests/s with receipts over ${peer}`;
        const [value, interval] = [median(ratios), { low, high }];
        report.bar({ what, value, limit: 1, atLeast: true, interval });
        return { model, outstanding, peer, ratio: value, ahead };
      }),
    ),
  );
}

/**
 * Says for each model and concurrency who is ahead, in all rounds or all but a few of many. Returns where
 * a peer is, or may be.
 */
export function standing(
  report: Report,
  models: readonly ServingModel[],
  concurrencies: readonly number[],
  peers: readonly string[],
): readonly Behind[] {
  const comparisons = compare(report, models, concurrencies, peers);
  report.table(
    'Who is ahead: requests/s, the median of the rounds and all of them',
    ['model', 'outstanding', 'peer', `${OWN} over peer`, 'rounds', 'ahead'],
    comparisons.map(({ model, outstanding, peer, ratio, ahead }) => {
      const rounds = report.ratios(model, outstanding, OWN, peer);
      const [least, most] = [Math.min(...rounds), Math.max(...rounds)];
      const spread = `${least.toFixed(2)} – ${most.toFixed(2)}`;
      return [model, String(outstanding), peer, ratio, spread, ahead];
    }),
  );
  return comparisons.filter(({ ratio }) => ratio < 1);
}
