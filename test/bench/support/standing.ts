import type { EmptyCall } from './empty-call.js';
import { median, medianInterval } from './measure.js';
import type { Report } from './report.js';
import type { ServingModel } from './serving-models.js';

const OWN = 'Assay';

interface Comparison {
  readonly model: string;
  readonly outstanding: number;
  readonly peer: string;
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

/** `0.31 of 0.40 ms (78 %)`; the difference alone where there is nothing to explain. */
function share(part: number, whole: number): string {
  if (!(whole > 0)) return `${part.toFixed(3)} ms, though the whole is no more than the peer's`;
  return `${part.toFixed(3)} of ${whole.toFixed(3)} ms (${((100 * part) / whole).toFixed(0)} %)`;
}

/**
 * How much of what a request of ours takes more, an empty call takes more already: in time where one
 * caller waits for each answer, in processor time where the processors are what is short.
 */
function reason(report: Report, calls: readonly EmptyCall[], comparison: Comparison): string {
  const { model, outstanding, peer } = comparison;
  const [ours, theirs] = [OWN, peer].map((name) => ({
    request: report.row(model, outstanding, name),
    empty: calls.find((call) => call.contender === name && call.outstanding === outstanding),
  }));
  const more = (read: (point: { readonly p50: number; readonly cpu: number }) => number) => {
    const [request, empty] = (['request', 'empty'] as const).map((kind) => {
      const [a, b] = [ours?.[kind], theirs?.[kind]];
      return a === undefined || b === undefined ? Number.NaN : read(a) - read(b);
    });
    return share(empty ?? Number.NaN, request ?? Number.NaN);
  };
  return outstanding === 1
    ? `an empty call takes longer by ${more(({ p50 }) => p50)} of p50`
    : `an empty call takes more processor time by ${more(({ cpu }) => cpu)}`;
}

/**
 * Says for each model and concurrency who is ahead, in all rounds or all but a few of many; and where a
 * peer is, or may be, how much of that gRPC itself explains.
 */
export function standing(
  report: Report,
  models: readonly ServingModel[],
  concurrencies: readonly number[],
  peers: readonly string[],
  calls: readonly EmptyCall[],
): void {
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
  const behind = comparisons.filter(({ ratio }) => ratio < 1);
  report.table(
    `Why a peer is ahead: what gRPC alone costs ${OWN} more than it, of what a request costs more`,
    ['model', 'outstanding', 'peer', `${OWN} over peer`, 'reason'],
    behind.map((comparison) => [
      comparison.model,
      String(comparison.outstanding),
      comparison.peer,
      comparison.ratio,
      reason(report, calls, comparison),
    ]),
  );
}
