import type { Row, Samples } from './batch-samples.js';
import type { BatchTrial } from './batch-trial.js';
import { byteOf, extremesOf, type SampleKind } from './sample-inputs.js';
import type { TensorSpec } from './tensor.js';

/** A row that could change others: some inputs are extreme, all others ordinary. */
interface Neighbour {
  readonly what: string;
  readonly row: Row;
}

/** By input: the kinds that neighbours had in it. */
export type Kinds = ReadonlyMap<string, readonly SampleKind[]>;

/** What a neighbour has in one input, by its place in the signature. */
interface Choice {
  readonly index: number;
  readonly name: string;
  readonly kind: SampleKind;
}

/** Neighbours of one kind, where inputs exclude each other: what none of these has is not tried. */
const MAX_ALTERNATIVES = 4;

const isFloat = ({ datatype }: TensorSpec): boolean => datatype.startsWith('FP');

/** A kind in a sentence. */
export const describeKind = (kind: SampleKind): string =>
  typeof kind === 'number' ? `0 to ${kind}` : kind;

/** The proof for one shape that neighbours do not matter. */
export class BatchProof {
  readonly #trial: BatchTrial;
  readonly #samples: Samples;
  readonly #inputs: readonly TensorSpec[];
  readonly #neighbours: Neighbour[] = [];
  readonly #tried: ReadonlyMap<string, SampleKind[]>;
  /** What the model gives for the first ordinary row before it is given an extreme one. */
  #first: Row | undefined;

  readonly #end: number;

  /** @param budget milliseconds of executions after which nothing further is begun. */
  constructor(trial: BatchTrial, samples: Samples, inputs: readonly TensorSpec[], budget: number) {
    this.#trial = trial;
    this.#samples = samples;
    this.#inputs = inputs;
    this.#tried = new Map(inputs.map(({ name }) => [name, []]));
    this.#end = trial.spent + budget;
  }

  /** Batches of each size that are executed. */
  get batchesPerSize(): number {
    return 3 + 2 * this.#neighbours.length;
  }

  get tried(): Kinds {
    return this.#tried;
  }

  /** Milliseconds that are left of the budget; not above 0: it is spent. */
  get left(): number {
    return this.#end - this.#trial.spent;
  }

  /** An input that has extremes, none of which the model accepts but zero; undefined: there is none. */
  get untried(): TensorSpec | undefined {
    return this.#inputs.find(
      ({ name, datatype }) =>
        extremesOf(datatype).length > 0 && !this.#tried.get(name)?.some((kind) => kind !== 'zero'),
    );
  }

  /**
   * Finds the neighbours that the model accepts: of each kind rows in which all floats have it or all integers,
   * but for inputs with which the model refuses a row. An index that is out of its table leaves the others theirs.
   * Ends early when the budget is spent: see `left`.
   */
  async findNeighbours(): Promise<void> {
    const [ordinary = []] = await this.#samples.ordinary(1);
    this.#first = (await this.#trial.perRow([ordinary]))?.[0];
    for (const floats of [true, false]) {
      const group = [...this.#inputs.entries()].filter(([, spec]) => isFloat(spec) === floats);
      const kinds = new Set(group.flatMap(([, { datatype }]) => extremesOf(datatype)));
      for (const kind of kinds) {
        const having = group.filter(([, { datatype }]) => extremesOf(datatype).includes(kind));
        await this.#addNeighbours(
          ordinary,
          having.map(([index, { name }]) => ({ index, name, kind })),
        );
      }
    }
    await this.#addNeighbours(ordinary, await this.#bytes(ordinary));
  }

  /** Of each input of integers those from 0 to the greatest that the model accepts, of one byte: it may be an index. */
  async #bytes(ordinary: Row): Promise<readonly Choice[]> {
    const choices = [...this.#inputs.entries()].flatMap(([index, { name, datatype }]) => {
      const kind = byteOf(datatype);
      return kind === undefined ? [] : [{ index, name, kind }];
    });
    const { taken } = await this.#extend(ordinary, choices);
    const accepted: Choice[] = [];
    for (const choice of choices) {
      const kind = taken.includes(choice) ? choice.kind : await this.#greatest(ordinary, choice);
      accepted.push({ ...choice, kind });
    }
    return accepted;
  }

  /** The greatest integer up to a choice's that the model accepts; ordinary ones are 0 and 1. */
  async #greatest(ordinary: Row, choice: Choice & { readonly kind: number }): Promise<number> {
    let accepted = 1;
    let refused = choice.kind + 1;
    while (refused - accepted > 1 && this.left > 0) {
      const kind = (accepted + refused) >> 1;
      const { taken } = await this.#extend(ordinary, [{ ...choice, kind }]);
      if (taken.length > 0) accepted = kind;
      else refused = kind;
    }
    return accepted;
  }

  /** Adds rows that have all choices between them, but for those that the model refuses. */
  async #addNeighbours(ordinary: Row, choices: readonly Choice[]): Promise<void> {
    let open = choices;
    for (let i = 0; i < MAX_ALTERNATIVES && open.length > 0; i++) {
      const { row, taken } = await this.#extend(ordinary, open);
      if (taken.length === 0) return;
      const what = taken.map(({ name, kind }) => `${describeKind(kind)} ${name}`).join(', ');
      this.#neighbours.push({ what, row });
      for (const { name, kind } of taken) this.#tried.get(name)?.push(kind);
      open = open.filter((choice) => !taken.includes(choice));
    }
  }

  /** A row with all of the choices, or with those that the model accepts: each half by itself where it refuses all. */
  async #extend(
    row: Row,
    choices: readonly Choice[],
  ): Promise<{ readonly row: Row; readonly taken: readonly Choice[] }> {
    if (choices.length === 0 || this.left <= 0) return { row, taken: [] };
    let candidate = row;
    for (const { index, kind } of choices) {
      candidate = candidate.with(index, await this.#samples.extreme(index, kind));
    }
    if (await this.#accepts(candidate)) return { row: candidate, taken: choices };
    if (choices.length === 1) return { row, taken: [] };
    const middle = choices.length >> 1;
    const first = await this.#extend(row, choices.slice(0, middle));
    const second = await this.#extend(first.row, choices.slice(middle));
    return { row: second.row, taken: [...first.taken, ...second.taken] };
  }

  /** Whether the model executes a row alone: an extreme may be out of its range. */
  async #accepts(row: Row): Promise<boolean> {
    try {
      await this.#trial.perRow([row]);
      return true;
    } catch (error) {
      if (!this.#trial.alive) throw error;
      return false;
    }
  }

  /**
   * Puts ordinary rows into every slot of every size from 2 to `max`, among other ordinary rows and
   * between extreme ones, and compares each with itself alone, bit for bit.
   * No size beyond 2 is begun once the budget is spent.
   * @returns the largest size that was proven with all smaller ones, or what differs.
   */
  async prove(max: number): Promise<number | string> {
    const pool = await this.#samples.ordinary(max);
    const alone: Row[] = [];
    for (const row of pool) {
      const [outputs] = (await this.#trial.perRow([row])) ?? [];
      if (outputs === undefined) return 'an output has not one row for each row of the inputs';
      alone.push(outputs);
    }
    if (!(await this.#trial.same(this.#first ?? [], alone[0] ?? []))) {
      return 'the same row alone has other bits after an extreme one';
    }
    let proven = 1;
    while (proven < max && (proven === 1 || this.left > 0)) {
      const found = await this.#difference(proven + 1, pool, alone);
      if (found !== undefined) return found;
      proven += 1;
    }
    return proven;
  }

  async #difference(
    size: number,
    pool: readonly Row[],
    alone: readonly Row[],
  ): Promise<string | undefined> {
    const max = pool.length;
    const slots = Array.from({ length: size }, (_, slot) => slot);
    for (const turn of [0, Math.ceil(max / 3), Math.ceil(max / 2)]) {
      const turned = slots.map((slot) => (slot + turn) % max);
      const found = await this.#compare(turned, pool, alone);
      if (found !== undefined) return found;
    }
    for (const { what, row } of this.#neighbours) {
      for (const parity of [0, 1]) {
        const mixed = slots.map((slot) => (slot % 2 === parity ? slot : undefined));
        const found = await this.#compare(mixed, pool, alone, row);
        if (found !== undefined) return `${found} (its neighbours have ${what})`;
      }
    }
    return undefined;
  }

  /** @param slots the ordinary row in each; undefined: the neighbour. */
  async #compare(
    slots: readonly (number | undefined)[],
    pool: readonly Row[],
    alone: readonly Row[],
    neighbour: Row = [],
  ): Promise<string | undefined> {
    const actual = await this.#trial.perRow(
      slots.map((slot) => (slot === undefined ? neighbour : (pool[slot] ?? []))),
    );
    for (const [index, slot] of slots.entries()) {
      const wanted = slot === undefined ? undefined : alone[slot];
      if (wanted === undefined) continue;
      const got = actual?.[index];
      if (got === undefined || !(await this.#trial.same(wanted, got))) {
        return `in a batch of ${slots.length}, row ${index} differs from the same row alone`;
      }
    }
    return undefined;
  }
}
