import type { LoadOptions } from './engine.js';

/** Operators whose time, and that of what they hold, depends on values however many bytes there are. */
const BY_VALUES = ['If', 'Loop', 'Scan'];

/** Whether requests of as many bytes take about as long, as far as the model's operators and inputs tell. */
export function isSteady({ operators = [], delicateInputs = [] }: LoadOptions): boolean {
  return delicateInputs.length === 0 && !operators.some((name) => BY_VALUES.includes(name));
}

/** What each further execution takes off the worst: a pause of the machine's is forgotten, a caller's habit is not. */
const FORGOTTEN = 1 / 64;

/** The longest that a model's executions took of late, by about how many bytes their inputs had. */
export class WorstTimes {
  /** By the bits of the number of bytes. */
  readonly #worst = new Float64Array(33).fill(Number.POSITIVE_INFINITY);

  /** @param nanoseconds that an execution took with so many bytes of inputs, whoever's they were. */
  learn(bytes: number, nanoseconds: number): void {
    const size = bitsOf(bytes);
    const before = this.#worst[size] ?? Number.POSITIVE_INFINITY;
    const kept = Number.isFinite(before) ? before * (1 - FORGOTTEN) : 0;
    this.#worst[size] = Math.max(kept, nanoseconds);
  }

  /** Nanoseconds; infinite where none with about so many bytes was executed. */
  of(bytes: number): number {
    return this.#worst[bitsOf(bytes)] ?? Number.POSITIVE_INFINITY;
  }
}

const bitsOf = (bytes: number): number => 32 - Math.clz32(Math.min(bytes, 2 ** 32 - 1));
