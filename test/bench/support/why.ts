import { type Contender, start } from './contender.js';
import { median } from './measure.js';
import type { Report } from './report.js';
import type { ServingModel } from './serving-models.js';
import { CEILING, measure, ROUNDS, SECONDS, shapeOf } from './throughput.js';

/** A point at which a peer is ahead. */
export interface Behind {
  readonly model: string;
  readonly outstanding: number;
  readonly peer: string;
}

/** Milliseconds from one answer to the next: medians of rounds in turns, all through h2load. */
async function times(
  contenders: readonly Contender[],
  model: ServingModel,
  outstanding: number,
  alone: number,
): Promise<ReadonlyMap<string, number>> {
  const shape = shapeOf(outstanding, alone, SECONDS);
  const rounds = new Map<string, number[]>();
  // The first round is not counted: two of the servers have just started.
  for (let round = -1; round < ROUNDS; round++) {
    for (const contender of contenders) {
      const { perSecond } = await measure(contender, model, shape);
      if (round >= 0)
        rounds.set(contender.name, [...(rounds.get(contender.name) ?? []), 1000 / perSecond]);
    }
  }
  return new Map([...rounds].map(([name, each]) => [name, median(each)]));
}

/**
 * Why a peer is ahead, in three parts that add up: Node's gRPC and ONNX Runtime on one thread against the
 * peer's, then worker threads in place of the one, then receipts.
 * @param contenders the peers and Assay with receipts; the other two are started for this.
 */
export async function explain(
  behind: readonly Behind[],
  contenders: readonly Contender[],
  models: readonly ServingModel[],
  report: Report,
): Promise<void> {
  const names = models.map(({ name }) => name);
  const [naive] = behind.length === 0 ? [] : await start('naive', names);
  const [off] = behind.length === 0 ? [] : await start('off', names);
  if (naive === undefined || off === undefined) return;
  const rows: (string | number)[][] = [];
  try {
    for (const model of models) {
      const alone = report.row(model.name, 1, CEILING)?.perSecond ?? Number.NaN;
      const points = behind.filter((point) => point.model === model.name);
      for (const outstanding of new Set(points.map((point) => point.outstanding))) {
        const all = [naive, off, ...contenders];
        const took = await times(all, model, outstanding, alone);
        const of = (name: string): number => took.get(name) ?? Number.NaN;
        for (const { peer } of points.filter((point) => point.outstanding === outstanding)) {
          rows.push([
            model.name,
            String(outstanding),
            peer,
            (of('Assay') - of(peer)).toFixed(3),
            (of(naive.name) - of(peer)).toFixed(3),
            (of(off.name) - of(naive.name)).toFixed(3),
            (of('Assay') - of(off.name)).toFixed(3),
          ]);
        }
      }
    }
  } finally {
    await naive.stop();
    await off.stop();
  }
  report.table(
    'Why a peer is ahead: milliseconds that a request of Assay’s takes more, and of them',
    ['model', 'outstanding', 'peer', 'in all', 'Node on one thread', 'workers', 'receipts'],
    rows,
  );
}
