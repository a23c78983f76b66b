import type { InferenceResult } from './engine.js';
import { EngineError } from './error.js';
import type { PackedInput } from './messages.js';
import type { Pending } from './request-queue.js';
import type { InferenceTimings } from './statistics.js';
import type { Tensor } from './tensor.js';
import type { RunCommand, RunResult } from './worker-thread.js';

/** Alignment of each input in the transferred buffer, bytes: a cache line, what kernels like best. */
const ALIGNMENT = 64;

const align = (offset: number): number => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;

/**
 * Lays the inputs of requests with one batch key one after another along dimension 0: the one copy
 * of a tensor on its way in. A single request keeps its shapes as they are.
 */
export function pack(
  loadId: number,
  batch: readonly [Pending, ...Pending[]],
  context: Uint8Array | undefined,
): RunCommand {
  const [first] = batch;
  const inputs: PackedInput[] = [];
  let offset = 0;
  const rows = batch.map((pending) => pending.rows);
  const total = rows.reduce((sum, count) => sum + count, 0);
  first.request.inputs.forEach(({ datatype, shape }, index) => {
    const length = batch.reduce(
      (sum, { request }) => sum + (request.inputs[index]?.data.length ?? 0),
      0,
    );
    const packed = batch.length === 1 ? shape : [total, ...shape.slice(1)];
    inputs.push({ datatype, shape: packed, offset, length });
    offset = align(offset + length);
  });
  const notes = batch.map(({ request }) => request.note?.length ?? 0);
  const whole = new Uint8Array(notes.reduce((sum, length) => sum + length, offset));
  inputs.forEach((input, index) => {
    let at = input.offset;
    for (const { request } of batch) {
      const data = request.inputs[index]?.data ?? new Uint8Array();
      whole.set(data, at);
      at += data.length;
    }
  });
  for (const { request } of batch) {
    if (request.note === undefined) continue;
    whole.set(request.note, offset);
    offset += request.note.length;
  }
  return {
    loadId,
    buffer: whole.buffer,
    inputs,
    outputs: first.request.outputs,
    rows: batch.length === 1 ? [] : rows,
    context,
    notes,
  };
}

/** Rows `from` to `to` of an output of the batch, in place. */
function rowsOf(tensor: Tensor, from: number, to: number, total: number): Tensor {
  const [rows, ...rest] = tensor.shape;
  if (rows !== total) {
    throw new EngineError(
      'execution',
      `output ${tensor.name} has ${rows} rows for a batch of ${total}`,
    );
  }
  const bytes = tensor.data.length / total;
  return {
    ...tensor,
    shape: [to - from, ...rest],
    data: tensor.data.subarray(from * bytes, to * bytes),
  };
}

function annotationOf(
  { annotations, annotationEnds }: RunResult,
  index: number,
): Uint8Array | undefined {
  const end = annotationEnds[index];
  return end === undefined ? undefined : annotations.subarray(annotationEnds[index - 1] ?? 0, end);
}

/** Each request's own part of an execution, in the order of `batch`; nothing is copied. */
export function unpack(
  batch: readonly [Pending, ...Pending[]],
  result: RunResult,
  dispatched: number,
): InferenceResult[] {
  const names = batch[0].request.outputs;
  const outputs = result.outputs.map((output, index) => ({ name: names[index] ?? '', ...output }));
  const total = batch.reduce((sum, { rows }) => sum + rows, 0);
  let from = 0;
  return batch.map((pending, index) => {
    const to = from + pending.rows;
    const own =
      batch.length === 1 ? outputs : outputs.map((tensor) => rowsOf(tensor, from, to, total));
    from = to;
    const timings: InferenceTimings = {
      queue: Math.round((dispatched - pending.enqueued) * 1e6),
      computeInput: result.computeInput,
      computeInfer: result.computeInfer,
      computeOutput: result.computeOutput,
      batchSize: batch.length,
    };
    return { outputs: own, annotation: annotationOf(result, index), timings };
  });
}
