import type { ExecutionResult, PackedInput } from './messages.js';
import type { TensorSpec } from './tensor.js';
import type { Signature, WorkerThread } from './worker-thread.js';

/** The bytes of one row of each input. */
export type Row = readonly Uint8Array[];

const ALIGNMENT = 64;

/** Runs rows of samples through a model on one worker, outside of its queue. */
export class BatchTrial {
  readonly #thread: WorkerThread;
  readonly #loadId: number;
  readonly #signature: Signature;
  readonly #tails: readonly (readonly number[])[];

  constructor(
    thread: WorkerThread,
    loadId: number,
    signature: Signature,
    tails: readonly (readonly number[])[],
  ) {
    this.#thread = thread;
    this.#loadId = loadId;
    this.#signature = signature;
    this.#tails = tails;
  }

  /** Whether its worker is. */
  get alive(): boolean {
    return this.#thread.alive;
  }

  async run(rows: readonly Row[]): Promise<ExecutionResult> {
    const inputs: PackedInput[] = [];
    let end = 0;
    this.#signature.inputs.forEach(({ datatype }: TensorSpec, index) => {
      const offset = Math.ceil(end / ALIGNMENT) * ALIGNMENT;
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
    inputs.forEach(({ offset }, index) => {
      let at = offset;
      for (const row of rows) {
        const bytes = row[index] ?? new Uint8Array();
        whole.set(bytes, at);
        at += bytes.length;
      }
    });
    return this.#thread.run({
      loadId: this.#loadId,
      buffer: whole.buffer,
      inputs,
      outputs: this.#signature.outputs.map(({ name }) => name),
      rows: [],
      context: undefined,
      notes: [],
    });
  }

  /** The bytes of each row's outputs; undefined where an output has not one row for each. */
  async perRow(rows: readonly Row[]): Promise<Buffer[] | undefined> {
    const { outputs } = await this.run(rows);
    if (outputs.some(({ shape }) => shape[0] !== rows.length)) return undefined;
    return rows.map((_, index) =>
      Buffer.concat(
        outputs.map(({ data }) => {
          const size = data.length / rows.length;
          return data.subarray(index * size, (index + 1) * size);
        }),
      ),
    );
  }
}
