import type { ExecutionNotes } from '../../src/engine/engine.js';
import type { Tensor } from '../../src/engine/tensor.js';
import { annotate as commit } from '../../src/server/annotate.js';

/** A first element that ends the worker thread which sees it, between executions. */
export const POISON = 12345.678;

/** The service's annotator, in a worker that a request can kill. */
export function annotate(
  inputs: readonly Tensor[],
  outputs: readonly Tensor[],
  notes: ExecutionNotes,
): Uint8Array {
  const [first] = inputs;
  if (first?.datatype === 'FP32' && first.data.length >= 4) {
    const view = new DataView(first.data.buffer, first.data.byteOffset);
    if (view.getFloat32(0, true) === Math.fround(POISON)) process.exit(1);
  }
  return commit(inputs, outputs, notes);
}
