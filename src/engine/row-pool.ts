import type { Row } from './batch-samples.js';

/** A row, and what the model gives for it alone. */
export interface Known {
  readonly row: Row;
  readonly alone: Row;
}

/** Rows of one kind. A batch that takes the next ones has other rows in its slots than the one before. */
export class RowPool {
  /** What messages call them; undefined: ordinary. */
  readonly what: string | undefined;
  readonly #rows: readonly Known[];
  #at = 0;

  /** @param rows at least one. */
  constructor(what: string | undefined, rows: readonly Known[]) {
    this.what = what;
    this.#rows = rows;
  }

  get first(): Known {
    const [first] = this.#rows;
    if (first === undefined) throw new RangeError('expected rows in a pool');
    return first;
  }

  next(): Known {
    const next = this.#rows[this.#at % this.#rows.length];
    this.#at += 1;
    return next ?? this.first;
  }

  /** Call it between batches: no row keeps its slot where as many share one as there are. */
  turn(): void {
    this.#at += 1;
  }
}
