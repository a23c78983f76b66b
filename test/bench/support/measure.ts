/** What one contender costs, milliseconds. */
export interface Cost {
  readonly name: string;
  readonly median: number;
  /** 10th percentile: what it costs when nothing else runs. */
  readonly best: number;
  /** Of each round, in their order. */
  readonly times: readonly number[];
}

/** Something to measure; `before` is not measured. */
export interface Contender {
  readonly name: string;
  readonly run: () => unknown;
  readonly before?: () => unknown;
}

/**
 * Measures contenders side by side: each round runs every one once, so that whatever else the machine
 * does strikes them all, and every other round in the opposite order, so that none always pays for what
 * the same one left behind.
 */
export async function sideBySide(
  contenders: readonly Contender[],
  rounds: number,
): Promise<readonly Cost[]> {
  const times = contenders.map((): number[] => []);
  const warmUp = Math.ceil(rounds / 4);
  for (let round = -warmUp; round < rounds; round++) {
    const turns = [...contenders.entries()];
    for (const [i, { run, before }] of round % 2 === 0 ? turns : turns.reverse()) {
      await before?.();
      const started = performance.now();
      await run();
      if (round >= 0) times[i]?.push(performance.now() - started);
    }
  }
  return contenders.map(({ name }, i) => costOf(name, times[i] ?? []));
}

/** What a contender costs that took these times. */
export function costOf(name: string, times: readonly number[]): Cost {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number): number => sorted[Math.floor(sorted.length * share)] ?? Number.NaN;
  return { name, median: at(0.5), best: at(0.1), times };
}

/** How many times as much one contender costs as another, in rounds side by side. */
export function ratioOf(
  over: Cost,
  under: Cost,
): { readonly value: number; readonly interval: Interval } {
  const ratios = over.times.map((time, i) => time / (under.times[i] ?? Number.NaN));
  return { value: median(ratios), interval: medianInterval(ratios) };
}

/** A figure that has to be on the right side of a limit. */
export interface Bar {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly atLeast: boolean;
  /** Where the figure lies for all that was measured: a limit inside of it is neither met nor missed. */
  readonly interval?: Interval | undefined;
}

export function barLine({ what, value, limit, atLeast, interval }: Bar): string {
  const open = interval !== undefined && interval.low < limit && limit < interval.high;
  const met = atLeast ? value >= limit : value <= limit;
  const mark = Number.isNaN(value) ? 'absent' : open ? 'open  ' : met ? 'met   ' : 'MISSED';
  const range =
    interval === undefined
      ? ''
      : `, 95 %: ${interval.low.toFixed(2)} – ${interval.high.toFixed(2)}`;
  return `  ${mark} ${what}: ${value.toFixed(2)} (${atLeast ? 'at least' : 'at most'} ${limit}${range})`;
}

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
};

export interface Interval {
  readonly low: number;
  readonly high: number;
}

/**
 * Where the median of what the values were drawn from lies with a confidence of 95 %, whatever their
 * distribution: between two of them, by the binomial distribution of how many lie below it. All of them
 * where they are too few (five and less) for less.
 */
export function medianInterval(values: readonly number[]): Interval {
  const sorted = values.toSorted((a, b) => a - b);
  const count = sorted.length;
  let outside = 0;
  let ways = 1;
  let skipped = -1;
  while (skipped < count / 2) {
    outside += (2 * ways) / 2 ** count;
    if (outside > 0.05) break;
    skipped += 1;
    ways = (ways * (count - skipped)) / (skipped + 1);
  }
  const from = Math.max(0, skipped);
  return { low: sorted[from] ?? Number.NaN, high: sorted[count - 1 - from] ?? Number.NaN };
}
