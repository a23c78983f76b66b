import type { Neighbour, Neighbours } from './batch-neighbours.js';
import type { Row, Samples } from './batch-samples.js';
import type { BatchTrial } from './batch-trial.js';
import { type Known, RowPool } from './row-pool.js';
import { isBroad, isConstant } from './sample-inputs.js';

/** Batches of each size whose rows are all of one kind. */
const BATCHES = { ordinary: 3, broad: 1 };
/**
 * Rows of a kind, by the elements they have together. Kernels differ for one value in five to one in a
 * hundred, and even of a row of a thousand only the few where vectors end.
 */
const ROWS = { leastBroad: 2, usual: 8, most: 128, elements: 2 ** 16 };
/** Rows of a kind, and elements, that share executions of one size where these take little enough. */
const PER_SIZE = { rows: 32, elements: 256 };
/** What the rows of a kind may take alone, and further batches of all sizes together, of the budget. */
const SHARE = { pool: 1 / 40, further: 1 / 40 };

const NO_ROWS = 'an output has not one row for each row of the inputs';

const isBroadNeighbour = ({ choices }: Neighbour): boolean =>
  choices.some(({ kind }) => isBroad(kind));

/** The proof for one shape that neither neighbours nor places in a batch matter. */
export class BatchProof {
  readonly #trial: BatchTrial;
  readonly #samples: Samples;
  readonly #neighbours: Neighbours;
  readonly #budget: number;
  readonly #end: number;

  /**
   * @param budget milliseconds of executions.
   * @param end those of the trial after which no further size is begun.
   */
  constructor(
    trial: BatchTrial,
    samples: Samples,
    neighbours: Neighbours,
    { budget, end }: { readonly budget: number; readonly end: number },
  ) {
    this.#trial = trial;
    this.#samples = samples;
    this.#neighbours = neighbours;
    this.#budget = budget;
    this.#end = end;
  }

  /** Batches of each size that are executed, but for further ones. */
  get batchesPerSize(): number {
    const { found } = this.#neighbours;
    const broad = found.filter(isBroadNeighbour).length;
    return BATCHES.ordinary + 2 * found.length + BATCHES.broad * broad;
  }

  /** Milliseconds that are left of the budget; not above 0: it is spent. */
  get left(): number {
    return this.#end - this.#trial.spent;
  }

  /**
   * Puts rows of all kinds that were found, and ordinary ones, into every slot of every size from 2 to `max`,
   * among others of their kind and between ordinary ones, and compares each with itself alone, bit for bit.
   * No size beyond 2 is begun once the budget is spent.
   * @returns the largest size that was proven with all smaller ones, or what differs.
   */
  async prove(max: number): Promise<number | string> {
    const ordinary = await this.#ordinary(max);
    if (ordinary === undefined) return NO_ROWS;
    if (!(await this.#trial.same(this.#neighbours.first ?? [], ordinary.first.alone))) {
      return 'the same row alone has other bits after an extreme one';
    }
    const extreme: RowPool[] = [];
    const broad: RowPool[] = [];
    for (const neighbour of this.#neighbours.found) {
      const pool = await this.#pool(neighbour, max);
      if (pool === undefined) return NO_ROWS;
      extreme.push(pool);
      if (isBroadNeighbour(neighbour)) broad.push(pool);
    }
    const further = (SHARE.further * this.#budget) / (max - 1);
    let proven = 1;
    while (proven < max && (proven === 1 || this.left > 0)) {
      const size = proven + 1;
      const found =
        (await this.#required(size, ordinary, extreme, broad)) ??
        (await this.#further(size, [ordinary, ...broad], further));
      if (found !== undefined) return found;
      proven = size;
    }
    return proven;
  }

  /** As many rows as their kind is worth; for an ordinary one each slot of a batch has another. */
  #count(least: number): number {
    const narrow = Math.ceil(ROWS.elements / Math.max(1, this.#samples.elements));
    return Math.max(least, Math.min(ROWS.most, Math.max(ROWS.usual, narrow)));
  }

  /** Whether there is time for one more row of a pool that was begun when the trial had taken so long. */
  #goesOn(begun: number): boolean {
    return this.#trial.spent - begun < SHARE.pool * this.#budget;
  }

  async #ordinary(max: number): Promise<RowPool | undefined> {
    const begun = this.#trial.spent;
    const count = this.#count(max);
    const rows: Known[] = [];
    while (rows.length < count && (rows.length < max || this.#goesOn(begun))) {
      const row = (await this.#samples.ordinary(rows.length + 1)).at(-1) ?? [];
      const [alone] = (await this.#trial.perRow([row])) ?? [];
      if (alone === undefined) return undefined;
      rows.push({ row, alone });
    }
    return new RowPool(undefined, rows);
  }

  /** Rows that have what a neighbour has; those after the first that the model refuses are left out. */
  async #pool(neighbour: Neighbour, max: number): Promise<RowPool | undefined> {
    const { what, choices } = neighbour;
    const begun = this.#trial.spent;
    const least = isBroadNeighbour(neighbour) ? ROWS.leastBroad : 1;
    const count = choices.every(({ kind }) => isConstant(kind)) ? 1 : this.#count(least);
    const rows: Known[] = [];
    for (let nth = 0; nth < count && (nth < least || this.#goesOn(begun)); nth++) {
      const ordinary = (await this.#samples.ordinary((nth % max) + 1)).at(-1) ?? [];
      const row = await this.#samples.with(ordinary, choices, nth);
      const alone = await this.#alone(row, nth > 0);
      if (alone !== undefined) rows.push({ row, alone });
    }
    return rows.length === 0 ? undefined : new RowPool(what, rows);
  }

  async #alone(row: Row, mayBeRefused: boolean): Promise<Row | undefined> {
    try {
      return (await this.#trial.perRow([row]))?.[0];
    } catch (error) {
      if (!mayBeRefused || !this.#trial.alive) throw error;
      return undefined;
    }
  }

  /** What differs in the batches of one size that are executed whatever they take. */
  async #required(
    size: number,
    ordinary: RowPool,
    extreme: readonly RowPool[],
    broad: readonly RowPool[],
  ): Promise<string | undefined> {
    for (let i = 0; i < BATCHES.ordinary; i++) {
      const found = await this.#compare(size, [ordinary]);
      if (found !== undefined) return found;
    }
    for (const pool of extreme) {
      const found =
        (await this.#compare(size, [ordinary, pool])) ??
        (await this.#compare(size, [pool, ordinary]));
      if (found !== undefined) return found;
    }
    for (const pool of broad) {
      for (let i = 0; i < BATCHES.broad; i++) {
        const found = await this.#compare(size, [pool]);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** The same in further batches of a small size or of narrow rows, for so many milliseconds at most. */
  async #further(
    size: number,
    pools: readonly RowPool[],
    longest: number,
  ): Promise<string | undefined> {
    const begun = this.#trial.spent;
    const enough = Math.max(PER_SIZE.rows, PER_SIZE.elements / Math.max(1, this.#samples.elements));
    for (let done = size; done < enough; done += size) {
      for (const pool of pools) {
        if (this.#trial.spent - begun >= longest) return undefined;
        const found = await this.#compare(size, [pool]);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  }

  /** @param pools whose rows take turns in the slots. */
  async #compare(size: number, pools: readonly RowPool[]): Promise<string | undefined> {
    const slots = Array.from({ length: size }, (_, slot) => pools[slot % pools.length]).flatMap(
      (pool) => (pool === undefined ? [] : [{ what: pool.what, ...pool.next() }]),
    );
    for (const pool of pools) pool.turn();
    const actual = await this.#trial.perRow(slots.map(({ row }) => row));
    for (const [index, { what, alone }] of slots.entries()) {
      const got = actual?.[index];
      if (got !== undefined && (await this.#trial.same(alone, got))) continue;
      const found = `in a batch of ${size}, row ${index} differs from the same row alone`;
      if (what !== undefined) return `${found} (it has ${what})`;
      const neighbours = pools.find((pool) => pool.what !== undefined);
      return neighbours === undefined ? found : `${found} (its neighbours have ${neighbours.what})`;
    }
    return undefined;
  }
}
