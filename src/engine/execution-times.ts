import type { LoadOptions } from './engine.js';

/** Operators whose time, and that of what they hold, depends on values however many bytes there are. */
const BY_VALUES = ['If', 'Loop', 'Scan'];

/** Whether requests of as many bytes take about as long, as far as the model's operators and inputs tell. */
export function isSteady({ operators = [], delicateInputs = [] }: LoadOptions): boolean {
  return delicateInputs.length === 0 && !operators.some((name) => BY_VALUES.includes(name));
}

/** What the newest execution counts for: neither it nor a pause of the machine's is what usually happens. */
const WEIGHT = 1 / 16;

/** How long a model's executions take of late, by about how many bytes their inputs have. */
export class UsualTimes {
  /** By the bits of the number of bytes. */
  readonly #usual = new Float64Array(33).fill(Number.POSITIVE_INFINITY);

  /** @param nanoseconds that an execution took with so many bytes of inputs, whoever's they were. */
  learn(bytes: number, nanoseconds: number): void {
    const before = this.of(bytes);
    this.#usual[bitsOf(bytes)] =
      before === Number.POSITIVE_INFINITY ? nanoseconds : before + WEIGHT * (nanoseconds - before);
  }

  /** Nanoseconds; infinite where none with about so many bytes was executed. */
  of(bytes: number): number {
    return this.#usual[bitsOf(bytes)] ?? Number.POSITIVE_INFINITY;
  }
}

const bitsOf = (bytes: number): number => 32 - Math.clz32(Math.min(bytes, 2 ** 32 - 1));
