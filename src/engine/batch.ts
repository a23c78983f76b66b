import type { InferenceResult } from './engine.js';
import { EngineError } from './error.js';
import type { Execution, ExecutionResult, PackedInput, RunOutput } from './messages.js';
import type { Pending } from './pending.js';
import { totalLength, writePieces } from './pieces.js';
import type { InferenceTimings } from './statistics.js';
import { divisible, piecesOf, rowsOf } from './tensor.js';

/** Alignment of each input in the transferred buffer, bytes: a cache line, what kernels like best. */
const ALIGNMENT = 64;

/** The next offset at which an input may lie. */
export const align = (offset: number): number => Math.ceil(offset / ALIGNMENT) * ALIGNMENT;

/** The data of an input of one request. */
function inputAt({ request }: Pending, index: number): readonly Uint8Array[] {
  const input = request.inputs[index];
  return input === undefined ? [] : piecesOf(input);
}

/**
 * Lays the inputs of requests with one batch key one after another along dimension 0: the one copy
 * of a tensor on its way in. A single request keeps its shapes as they are.
 */
export function pack(
  loadId: number,
  batch: readonly [Pending, ...Pending[]],
  context: Uint8Array | undefined,
): Execution {
  const [first] = batch;
  const inputs: PackedInput[] = [];
  let offset = 0;
  const rows = batch.map((pending) => pending.rows);
  const total = rows.reduce((sum, count) => sum + count, 0);
  first.request.inputs.forEach(({ datatype, shape }, index) => {
    let length = 0;
    for (const pending of batch) length += totalLength(inputAt(pending, index));
    const packed = batch.length === 1 ? shape : [total, ...shape.slice(1)];
    inputs.push({ datatype, shape: packed, offset, length });
    offset = align(offset + length);
  });
  const notes = batch.map(({ request }) => request.note?.length ?? 0);
  // Not cleared first: it is written over but for the gaps of the alignment, which nobody reads.
  const whole = Buffer.allocUnsafeSlow(notes.reduce((sum, length) => sum + length, offset));
  inputs.forEach((input, index) => {
    let at = input.offset;
    for (const pending of batch) at = writePieces(inputAt(pending, index), whole, at);
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

/** Throws EngineError `execution` unless an output has a row for each of its batch's. */
function assertRows(name: string, { shape }: RunOutput, total: number): void {
  if (shape[0] === total) return;
  const reason = `output ${name} has ${shape[0]} rows for a batch of ${total}`;
  throw new EngineError('execution', reason);
}

function annotationOf(
  { annotations, annotationEnds }: ExecutionResult,
  index: number,
): Uint8Array | undefined {
  const end = annotationEnds[index];
  return end === undefined ? undefined : annotations.subarray(annotationEnds[index - 1] ?? 0, end);
}

/** Each request's own part of an execution, in the order of `batch`; nothing is copied. */
export function unpack(
  batch: readonly [Pending, ...Pending[]],
  result: ExecutionResult,
  dispatched: number,
): InferenceResult[] {
  const total = batch.reduce((sum, { rows }) => sum + rows, 0);
  const timingsOf = (pending: Pending): InferenceTimings => ({
    queue: Math.round((dispatched - pending.enqueued) * 1e6),
    computeInput: result.computeInput,
    computeInfer: result.computeInfer,
    computeOutput: result.computeOutput,
    rows: pending.rows,
    batchSize: total,
  });
  const [first] = batch;
  const names = first.request.outputs;
  if (batch.length === 1) {
    const outputs = result.outputs.map(({ datatype, shape, data }, index) => ({
      name: names[index] ?? '',
      datatype,
      shape,
      data,
    }));
    return [{ outputs, annotation: annotationOf(result, 0), timings: timingsOf(first) }];
  }
  const outputs = result.outputs.map((output, i) => {
    const name = names[i] ?? '';
    assertRows(name, output, total);
    return divisible(name, output);
  });
  let from = 0;
  return batch.map((pending, index) => {
    const to = from + pending.rows;
    const own = outputs.map((output) => rowsOf(output, from, to));
    from = to;
    return {
      outputs: own,
      annotation: annotationOf(result, index),
      timings: timingsOf(pending),
    };
  });
}
