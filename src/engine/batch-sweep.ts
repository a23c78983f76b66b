/** A batch must be this much faster per row than single executions to be worth it. */
const WORTHWHILE = 1.1;
/** A smaller batch is preferred over a larger one that is faster by less than this. */
const CLEARLY_FASTER = 1.05;
/** Single executions slower than this (milliseconds) are not worth proving: nothing is gained. */
const TOO_SLOW = 200;
/**
 * Executions of each size that find out which sizes are worth measuring, and what they may take together
 * (milliseconds, of all shapes).
 */
const FIRST_LOOKS = 2;
const FIRST_BUDGET = 3000;
/** Rounds of all those sizes: so many, and until they took so long for each size (milliseconds, of all shapes). */
const ROUNDS = 5;
const SIZE_BUDGET = 60;
/** What the rounds may take (milliseconds, of all shapes); there is one at least. */
const LONGEST = 4000;

/** What a sweep chose. */
export interface Swept {
  /** Rows of one execution; 1 where batches do not pay. */
  readonly size: number;
  /** Milliseconds that one of its rows takes. */
  readonly perRow: number;
}

/** Milliseconds that a batch of so many rows takes. */
export type TimeBatch = (rows: number) => Promise<number>;

/**
 * The size with the highest throughput among powers of two and `max`. Whatever else the machine does makes
 * executions slower, never faster, and for a while at a time: so all sizes are measured in turns, and each
 * counts by its shortest time.
 * @param shapes how many share what sweeps may take.
 */
export async function sweep(time: TimeBatch, max: number, shapes: number): Promise<Swept> {
  const shortest = new Map<number, number>();
  let spent = 0;
  const look = async (size: number): Promise<number> => {
    const took = await time(size);
    spent += took;
    shortest.set(size, Math.min(shortest.get(size) ?? Number.POSITIVE_INFINITY, took / size));
    return took;
  };
  await time(1);
  const sizes: number[] = [];
  const looksOn = (size: number): boolean =>
    size <= 4 * fastest(shortest) && (size <= 2 || spent < FIRST_BUDGET / shapes);
  for (let size = 1, next = 1; looksOn(size); size = next) {
    for (let i = 0; i < FIRST_LOOKS; i++) await look(size);
    if ((shortest.get(1) ?? 0) > TOO_SLOW) return chosen(1, shortest);
    sizes.push(size);
    next = size === max ? Number.POSITIVE_INFINITY : Math.min(2 * size, max);
  }
  spent = 0;
  for (let round = 0; round === 0 || goesOn(round, spent * shapes, sizes.length); round++) {
    for (const size of round % 2 === 0 ? sizes : sizes.toReversed()) await look(size);
  }
  let best = chosen(1, shortest);
  for (const size of sizes) {
    const candidate = chosen(size, shortest);
    const margin = best.size === 1 ? WORTHWHILE : CLEARLY_FASTER;
    if (candidate.perRow * margin < best.perRow) best = candidate;
  }
  return best;
}

/**
 * What a row takes in batches of `max`, or of the first size that could not be proven anyway.
 * @param affordable the largest size that could be, where a row takes so many milliseconds.
 */
export async function probe(
  time: TimeBatch,
  max: number,
  affordable: (perRow: number) => number,
): Promise<Swept> {
  await time(1);
  for (let size = 1; ; size = Math.min(2 * size, max)) {
    const perRow = Math.min(await time(size), await time(size)) / size;
    if (size === max || affordable(perRow) <= size) return { size: max, perRow };
  }
}

/** @param spent milliseconds, were all shapes like this one. */
function goesOn(rounds: number, spent: number, sizes: number): boolean {
  if (spent > LONGEST) return false;
  return rounds < ROUNDS || spent < SIZE_BUDGET * sizes;
}

/** The size of the shortest time for a row; 1 before anything was measured. */
function fastest(shortest: ReadonlyMap<number, number>): number {
  const [first] = [...shortest].toSorted(([, a], [, b]) => a - b);
  return first?.[0] ?? 1;
}

function chosen(size: number, shortest: ReadonlyMap<number, number>): Swept {
  return { size, perRow: shortest.get(size) ?? Number.POSITIVE_INFINITY };
}
