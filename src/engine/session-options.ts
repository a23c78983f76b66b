import type { InferenceSession } from 'onnxruntime-node';
import type { ExecutionOptions } from './engine.js';

/** How ONNX Runtime opens every session: those that serve, those that try a model, the kernel probe's. */
export function sessionOptions(
  { intraOpThreads, graphOptimizationLevel }: Required<ExecutionOptions>,
  externalData: InferenceSession.SessionOptions['externalData'] = [],
): InferenceSession.SessionOptions {
  return {
    executionProviders: ['cpu'],
    executionMode: 'sequential',
    intraOpNumThreads: intraOpThreads,
    interOpNumThreads: 1,
    graphOptimizationLevel,
    enableProfiling: false,
    // Fatal alone: errors quote elements of the inputs.
    logSeverityLevel: 4,
    externalData,
    extra: {
      session: {
        // Left to itself it looks at the bytes, and may see another model in its own format.
        load_model_format: 'ONNX',
        ...(intraOpThreads > 1 ? { intra_op: { allow_spinning: '0' } } : {}),
      },
    },
  };
}
