import type { Annotator } from '../../src/engine/engine.js';
import { makeAnnotator as makeServiceAnnotator } from '../../src/server/annotate.js';

/** A first element that ends the worker thread which sees it, between executions. */
export const POISON = 12345.678;

/** The service's annotator, in a worker that a request can kill. */
export function makeAnnotator(data: unknown): Annotator {
  const { annotate, ...others } = makeServiceAnnotator(data);
  return {
    ...others,
    annotate: (inputs, outputs, notes) => {
      const [first] = inputs;
      if (first?.datatype === 'FP32' && first.data.length >= 4) {
        const view = new DataView(first.data.buffer, first.data.byteOffset);
        if (view.getFloat32(0, true) === Math.fround(POISON)) process.exit(1);
      }
      return annotate(inputs, outputs, notes);
    },
  };
}
