import type { Pending } from './pending.js';

/** Requests that share an execution, as they are gathered. */
export class Gathering {
  readonly batch: Pending[] = [];
  readonly #maxRows: number;
  #rows = 0;

  constructor(maxRows: number) {
    this.#maxRows = maxRows;
  }

  /** Nothing more joins, however small. */
  get full(): boolean {
    const [first] = this.batch;
    if (first === undefined) return false;
    const most = Math.min(this.#maxRows, first.sharedRows);
    return this.#rows >= most || most <= 1;
  }

  joins(next: Pending): boolean {
    const [first] = this.batch;
    if (first === undefined) return true;
    const fits = this.#rows + next.rows <= Math.min(this.#maxRows, first.sharedRows);
    return fits && next.batchKey === first.batchKey;
  }

  add(next: Pending): void {
    this.batch.push(next);
    this.#rows += next.rows;
  }
}
