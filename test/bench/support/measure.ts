/** What one contender costs, milliseconds. */
export interface Cost {
  readonly name: string;
  readonly median: number;
  /** 10th percentile: what it costs when nothing else runs. */
  readonly best: number;
}

/** Something to measure; `before` is not measured. */
export interface Contender {
  readonly name: string;
  readonly run: () => unknown;
  readonly before?: () => unknown;
}

/**
 * Measures contenders side by side: each round runs every one once, so that whatever else the machine
 * does strikes them all.
 */
export async function sideBySide(
  contenders: readonly Contender[],
  rounds: number,
): Promise<readonly Cost[]> {
  const times = contenders.map((): number[] => []);
  const warmUp = Math.ceil(rounds / 4);
  for (let round = -warmUp; round < rounds; round++) {
    for (const [i, { run, before }] of contenders.entries()) {
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
  return { name, median: at(0.5), best: at(0.1) };
}

/** Prints costs as a table. */
export function printCosts(title: string, costs: readonly Cost[]): void {
  console.log(`\n${title}`);
  const width = Math.max(...costs.map(({ name }) => name.length));
  for (const { name, median, best } of costs) {
    console.log(
      `  ${name.padEnd(width)}  median ${median.toFixed(3)} ms  best tenth ${best.toFixed(3)} ms`,
    );
  }
}

/** A figure that has to be on the right side of a limit. */
export interface Bar {
  readonly what: string;
  readonly value: number;
  readonly limit: number;
  readonly atLeast: boolean;
}

export function barLine({ what, value, limit, atLeast }: Bar): string {
  const met = atLeast ? value >= limit : value <= limit;
  const mark = Number.isNaN(value) ? 'absent' : met ? 'met   ' : 'MISSED';
  return `  ${mark} ${what}: ${value.toFixed(2)} (${atLeast ? 'at least' : 'at most'} ${limit})`;
}

export function printBar(what: string, value: number, limit: number, atLeast = false): void {
  console.log(barLine({ what, value, limit, atLeast }));
}

export const median = (values: readonly number[]): number => {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
};
