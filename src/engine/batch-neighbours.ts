import type { Choice, Row, Samples } from './batch-samples.js';
import type { BatchTrial } from './batch-trial.js';
import { byteOf, extremesOf, type SampleKind } from './sample-inputs.js';
import type { TensorSpec } from './tensor.js';

/** Rows in which some inputs are extreme, all others ordinary. */
export interface Neighbour {
  readonly what: string;
  readonly choices: readonly Choice[];
}

/** By input: the kinds that neighbours had in it. */
export type Kinds = ReadonlyMap<string, readonly SampleKind[]>;

/** Neighbours of one kind, where inputs exclude each other: what none of these has is not tried. */
const MAX_ALTERNATIVES = 4;

const isFloat = ({ datatype }: TensorSpec): boolean => datatype.startsWith('FP');

/** A kind in a sentence. */
export const describeKind = (kind: SampleKind): string =>
  typeof kind === 'number' ? `0 to ${kind}` : kind;

/** The neighbours of one shape that a model accepts. */
export class Neighbours {
  readonly #trial: BatchTrial;
  readonly #samples: Samples;
  readonly #inputs: readonly TensorSpec[];
  readonly #end: number;
  readonly #found: Neighbour[] = [];
  readonly #tried: ReadonlyMap<string, SampleKind[]>;
  #first: Row | undefined;

  /** @param end milliseconds of the trial after which no further ones are looked for. */
  constructor(trial: BatchTrial, samples: Samples, inputs: readonly TensorSpec[], end: number) {
    this.#trial = trial;
    this.#samples = samples;
    this.#inputs = inputs;
    this.#end = end;
    this.#tried = new Map(inputs.map(({ name }) => [name, []]));
  }

  /** What the model gave for the first ordinary row before it was given an extreme one. */
  get first(): Row | undefined {
    return this.#first;
  }

  get found(): readonly Neighbour[] {
    return this.#found;
  }

  get tried(): Kinds {
    return this.#tried;
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
   * Ends early when the budget is spent.
   */
  async find(): Promise<void> {
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

  /**
   * Of each input of integers those from 0 to the greatest
   * that the model accepts, of one byte: it may be an index.
   */
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
    while (refused - accepted > 1) {
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
      const { taken } = await this.#extend(ordinary, open);
      if (taken.length === 0) return;
      const what = taken.map(({ name, kind }) => `${describeKind(kind)} ${name}`).join(', ');
      this.#found.push({ what, choices: taken });
      for (const { name, kind } of taken) this.#tried.get(name)?.push(kind);
      open = open.filter((choice) => !taken.includes(choice));
    }
  }

  /**
   * A row with all of the choices, or with those that the
   * model accepts: each half by itself where it refuses all.
   */
  async #extend(
    row: Row,
    choices: readonly Choice[],
  ): Promise<{ readonly row: Row; readonly taken: readonly Choice[] }> {
    if (choices.length === 0 || this.#trial.spent >= this.#end) return { row, taken: [] };
    const candidate = await this.#samples.with(row, choices);
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
}
