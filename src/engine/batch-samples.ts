import type { Tails } from './batch-shapes.js';
import { Pauses } from './pauses.js';
import { extremesOf, Sample, type SampleKind, sampler } from './sample-inputs.js';
import type { TensorSpec } from './tensor.js';

/** The bytes of one row of each input. */
export type Row = readonly Uint8Array[];

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

  /** What a neighbour has in one input, by its place in the signature. */
  extreme(index: number, kind: SampleKind): Promise<Uint8Array> {
    const { datatype } = this.#inputs[index] ?? {};
    const nth = datatype === undefined ? 0 : extremesOf(datatype).indexOf(kind) + 1;
    return this.#make(index, kind, sampler(seedOf(-1 - 16 * index - nth)));
  }

  async #make(index: number, kind: SampleKind, random: () => number): Promise<Uint8Array> {
    const spec = this.#inputs[index];
    if (spec === undefined) return new Uint8Array();
    const count = (this.#tails[index] ?? []).reduce((product, size) => product * size, 1);
    const sample = new Sample(spec.datatype, count, kind, random);
    for (let at = 0; at < count; at += PIECE) {
      sample.fill(at, Math.min(at + PIECE, count));
      await this.#pauses.due();
    }
    return sample.bytes;
  }
}
