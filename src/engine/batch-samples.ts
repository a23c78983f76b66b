import type { Tails } from './batch-shapes.js';
import { Pauses } from './pauses.js';
import { counterpartOf, extremesOf, Sample, type SampleKind, sampler } from './sample-inputs.js';
import { elementCount, type TensorSpec } from './tensor.js';

/** The bytes of one row of each input. */
export type Row = readonly Uint8Array[];

/** What a row has in one input, by its place in the signature. */
export interface Choice {
  readonly index: number;
  readonly name: string;
  readonly kind: SampleKind;
}

const SEED = 0x41737361;
/** Elements that are made without a look at the clock. */
const PIECE = 2 ** 15;

const seedOf = (n: number): number => SEED ^ Math.imul(n + 1, 0x9e3779b1);

/** Rows of one shape's inputs, each made when it is first wanted: few of those that may be are. */
export class Samples {
  readonly #inputs: readonly TensorSpec[];
  readonly #tails: Tails;
  readonly #ordinary: Row[] = [];
  readonly #pauses = new Pauses();

  constructor(inputs: readonly TensorSpec[], tails: Tails) {
    this.#inputs = inputs;
    this.#tails = tails;
  }

  /** The first so many ordinary rows. */
  async ordinary(count: number): Promise<readonly Row[]> {
    while (this.#ordinary.length < count) {
      const random = sampler(seedOf(this.#ordinary.length));
      const row: Uint8Array[] = [];
      for (const index of this.#inputs.keys())
        row.push(await this.#make(index, 'ordinary', random));
      this.#ordinary.push(row);
    }
    return this.#ordinary.slice(0, count);
  }

  /** A row that has, in some inputs, what the nth row of a kind has there. */
  async with(row: Row, choices: readonly Choice[], nth = 0): Promise<Row> {
    const changed = [...row];
    for (const { index, kind } of choices) changed[index] = await this.#extreme(index, kind, nth);
    return changed;
  }

  /** Every second row has the rest of what floats can be: mixed, the greatest would drown all others in a sum. */
  #extreme(index: number, kind: SampleKind, nth: number): Promise<Uint8Array> {
    const { datatype = 'BYTES' } = this.#inputs[index] ?? {};
    const place = extremesOf(datatype).indexOf(kind) + 1;
    const seed = seedOf(-1 - 16 * index - place - 2 ** 16 * nth);
    const drawn = nth % 2 === 0 ? kind : counterpartOf(datatype, kind);
    return this.#make(index, drawn, sampler(seed));
  }

  /** Elements of a row, of all inputs together. */
  get elements(): number {
    return this.#tails.reduce((sum, tail) => sum + elementCount(tail), 0);
  }

  async #make(index: number, kind: SampleKind, random: () => number): Promise<Uint8Array> {
    const spec = this.#inputs[index];
    if (spec === undefined) return new Uint8Array();
    const count = elementCount(this.#tails[index] ?? []);
    const sample = new Sample(spec.datatype, count, kind, random);
    for (let at = 0; at < count; at += PIECE) {
      sample.fill(at, Math.min(at + PIECE, count));
      await this.#pauses.due();
    }
    return sample.bytes;
  }
}
