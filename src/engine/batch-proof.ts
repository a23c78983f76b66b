import type { Row, Samples } from './batch-samples.js';
import type { BatchTrial } from './batch-trial.js';
import { extremesOf, type SampleKind } from './sample-inputs.js';
import type { TensorSpec } from './tensor.js';

/** A row that could change others: some inputs are extreme, all others ordinary. */
interface Neighbour {
  readonly what: string;
  readonly row: Row;
}

/** By input: the kinds that neighbours had in it. */
export type Kinds = ReadonlyMap<string, readonly SampleKind[]>;

/** Whether an input may be tried with a kind; none but zero is sure to be harmless in a delicate one. */
function mayHave(spec: TensorSpec, kind: SampleKind, delicate: readonly string[]): boolean {
  if (kind !== 'zero' && delicate.includes(spec.name)) return false;
  return extremesOf(spec.datatype).includes(kind);
}

const isFloat = ({ datatype }: TensorSpec): boolean => datatype.startsWith('FP');

/** The proof for one shape that neighbours do not matter. */
export class BatchProof {
  readonly #trial: BatchTrial;
  readonly #samples: Samples;
  readonly #inputs: readonly TensorSpec[];
  readonly #neighbours: Neighbour[] = [];
  readonly #tried: ReadonlyMap<string, SampleKind[]>;
  /** What the model gives for the first ordinary row before it is given an extreme one. */
  #first: Row | undefined;

  constructor(trial: BatchTrial, samples: Samples, inputs: readonly TensorSpec[]) {
    this.#trial = trial;
    this.#samples = samples;
    this.#inputs = inputs;
    this.#tried = new Map(inputs.map(({ name }) => [name, []]));
  }

  /** Batches of each size that are executed. */
  get batchesPerSize(): number {
    return 3 + 2 * this.#neighbours.length;
  }

  get tried(): Kinds {
    return this.#tried;
  }

  /** An input that has extremes, none of which the model accepts; undefined: there is none. */
  get untried(): TensorSpec | undefined {
    return this.#inputs.find(
      ({ name, datatype }) =>
        extremesOf(datatype).length > 0 && this.#tried.get(name)?.length === 0,
    );
  }

  /**
   * Finds the neighbours that the model accepts: of each kind rows in which all floats have it or all integers,
   * but for inputs with which the model refuses a row. An index that is out of its table leaves the others theirs.
   * @param delicate names of inputs that are tried with zero alone.
   */
  async findNeighbours(delicate: readonly string[]): Promise<void> {
    const [ordinary = []] = await this.#samples.ordinary(1);
    this.#first = (await this.#trial.perRow([ordinary]))?.[0];
    for (const floats of [true, false]) {
      const group = [...this.#inputs.entries()].filter(([, spec]) => isFloat(spec) === floats);
      const kinds = new Set(group.flatMap(([, { datatype }]) => extremesOf(datatype)));
      for (const kind of kinds) {
        let left = group.filter(([, spec]) => mayHave(spec, kind, delicate));
        while (left.length > 0) {
          const taken = await this.#addNeighbour(ordinary, kind, left);
          left = taken.length === 0 ? [] : left.filter((input) => !taken.includes(input));
        }
      }
    }
  }

  async #addNeighbour(
    ordinary: Row,
    kind: SampleKind,
    inputs: readonly (readonly [number, TensorSpec])[],
  ): Promise<readonly (readonly [number, TensorSpec])[]> {
    let row = ordinary;
    const taken: (readonly [number, TensorSpec])[] = [];
    for (const input of inputs) {
      const candidate = row.with(input[0], await this.#samples.extreme(input[0], kind));
      if (!(await this.#accepts(candidate))) continue;
      row = candidate;
      taken.push(input);
    }
    const names = taken.map(([, { name }]) => name);
    if (taken.length > 0) this.#neighbours.push({ what: `${kind} ${names.join(', ')}`, row });
    for (const name of names) this.#tried.get(name)?.push(kind);
    return taken;
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
   * @param budget milliseconds of executions after which no further size is begun.
   * @returns the largest size that was proven with all smaller ones, or what differs.
   */
  async prove(max: number, budget: number): Promise<number | string> {
    const end = this.#trial.spent + budget;
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
    while (proven < max && (proven === 1 || this.#trial.spent < end)) {
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
