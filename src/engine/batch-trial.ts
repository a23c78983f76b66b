import { align } from './batch.js';
import type { Row } from './batch-samples.js';
import type { Tails } from './batch-shapes.js';
import type { Execution, ExecutionResult, PackedInput } from './messages.js';
import { Pauses } from './pauses.js';
import type { TensorSpec } from './tensor.js';
import type { Signature } from './worker-thread.js';

/** Bytes that are copied without a look at the clock. */
const PIECE = 2 ** 20;

/** An execution that ended well. */
export interface Tried {
  readonly result: ExecutionResult;
  /** Milliseconds from when the worker was given it, without what it waited before. */
  readonly took: number;
}

/** A worker that has the model, and whatever else it has to do. */
export interface TrialWorker {
  /** False once a thread was lost at an execution. */
  readonly alive: boolean;
  /** Rejects with EngineError. */
  readonly run: (execution: Execution) => Promise<Tried>;
}

/** Runs rows of samples of one shape through a model on one worker. */
export class BatchTrial {
  readonly #worker: TrialWorker;
  readonly #loadId: number;
  readonly #signature: Signature;
  readonly #tails: Tails;
  readonly #pauses = new Pauses();
  #spent = 0;

  constructor(worker: TrialWorker, loadId: number, signature: Signature, tails: Tails) {
    this.#worker = worker;
    this.#loadId = loadId;
    this.#signature = signature;
    this.#tails = tails;
  }

  /** Whether its worker is. */
  get alive(): boolean {
    return this.#worker.alive;
  }

  /** Milliseconds that all executions took together, those that failed with what they waited. */
  get spent(): number {
    return this.#spent;
  }

  async run(rows: readonly Row[]): Promise<Tried> {
    const inputs: PackedInput[] = [];
    let end = 0;
    this.#signature.inputs.forEach(({ datatype }: TensorSpec, index) => {
      const offset = align(end);
      const length = rows.reduce((sum, row) => sum + (row[index]?.length ?? 0), 0);
      inputs.push({
        datatype,
        shape: [rows.length, ...(this.#tails[index] ?? [])],
        offset,
        length,
      });
      end = offset + length;
    });
    const whole = new Uint8Array(end);
    for (const [index, { offset }] of inputs.entries()) {
      let at = offset;
      for (const row of rows) at = await this.#copy(row[index] ?? new Uint8Array(), whole, at);
    }
    const begun = performance.now();
    const execution = this.#worker.run({
      loadId: this.#loadId,
      buffer: whole.buffer,
      inputs,
      outputs: this.#signature.outputs.map(({ name }) => name),
      rows: [],
      context: undefined,
      notes: [],
    });
    const tried = await execution.catch((error: unknown) => {
      this.#spent += performance.now() - begun;
      throw error;
    });
    this.#spent += tried.took;
    return tried;
  }

  async #copy(from: Uint8Array, to: Uint8Array, at: number): Promise<number> {
    for (let copied = 0; copied < from.length; copied += PIECE) {
      to.set(from.subarray(copied, copied + PIECE), at + copied);
      await this.#pauses.due();
    }
    return at + from.length;
  }

  /** Each row's bytes of every output; undefined where an output has not one row for each. */
  async perRow(rows: readonly Row[]): Promise<readonly Row[] | undefined> {
    const { outputs } = (await this.run(rows)).result;
    if (outputs.some(({ shape }) => shape[0] !== rows.length)) return undefined;
    return rows.map((_, index) =>
      outputs.map(({ data }) => {
        const size = data.length / rows.length;
        return data.subarray(index * size, (index + 1) * size);
      }),
    );
  }

  /** Whether two rows are the same, bit for bit. */
  async same(a: Row, b: Row): Promise<boolean> {
    for (const [index, left] of a.entries()) {
      const right = b[index] ?? new Uint8Array();
      if (left.length !== right.length) return false;
      for (let at = 0; at < left.length; at += PIECE) {
        const [l, r] = [left, right].map((bytes) => bytes.subarray(at, at + PIECE));
        if (l === undefined || r === undefined || Buffer.compare(l, r) !== 0) return false;
        await this.#pauses.due();
      }
    }
    return true;
  }
}
