import { totalmem } from 'node:os';
import { EngineError } from './error.js';

/** Of the machine's memory, what sessions may take unless the operator says otherwise. */
const DEFAULT_SHARE = 0.75;

const MEBIBYTE = 1024 * 1024;

/** Bytes, as messages show them. */
const mebibytes = (bytes: number): string => `${Math.ceil(bytes / MEBIBYTE)} MiB`;

/** What the control group of this process or, without one, the machine has; bytes. */
export function availableMemory(): number {
  const machine = totalmem();
  const constrained = process.constrainedMemory();
  return constrained > 0 && constrained < machine ? constrained : machine;
}

/** Three quarters of `availableMemory`. */
export function defaultMemoryBudget(): number {
  return Math.floor(availableMemory() * DEFAULT_SHARE);
}

/** Memory that was set aside; `resize` to 0 gives it back. */
export interface Reservation {
  readonly bytes: number;
  /** Bytes by which it could grow. */
  readonly room: number;
  /** Throws EngineError `memory`, having changed nothing, if the budget has not so much. */
  resize(bytes: number): void;
}

/** What the sessions of all models together may take, bytes. */
export class MemoryBudget {
  readonly total: number;
  #reserved = 0;

  constructor(total: number) {
    this.total = total;
  }

  /** Bytes that are set aside now. */
  get reserved(): number {
    return this.#reserved;
  }

  /** An empty reservation; `owner` is named where it does not fit. */
  reservation(owner: string): Reservation {
    const budget = this;
    let held = 0;
    return {
      get bytes() {
        return held;
      },
      get room() {
        return budget.total - budget.#reserved;
      },
      resize(bytes) {
        const others = budget.#reserved - held;
        if (others + bytes > budget.total) {
          throw new EngineError(
            'memory',
            `${owner} needs ${mebibytes(bytes)}, the memory budget of ${mebibytes(budget.total)} ` +
              `has ${mebibytes(budget.total - others)} left`,
          );
        }
        budget.#reserved = others + bytes;
        held = bytes;
      },
    };
  }
}
