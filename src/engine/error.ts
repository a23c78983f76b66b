/** What went wrong, in terms that a transport can translate into a status of its own. */
export type EngineErrorReason =
  /** The model cannot be served: ONNX Runtime refuses it, or its signature cannot be spoken. */
  | 'load'
  /** The model does not fit into the memory budget. */
  | 'memory'
  /** The request does not fit the model; repeating it cannot help. */
  | 'invalid-request'
  /** A queue is full. */
  | 'exhausted'
  /** The request's deadline passed before it was dispatched. */
  | 'deadline'
  /** The caller went away before the request was dispatched. */
  | 'cancelled'
  /** The execution took longer than it may; the engine is to be restarted. */
  | 'timeout'
  /** The model is being unloaded, has lost its workers, or the engine is shutting down. */
  | 'draining'
  /** ONNX Runtime or a worker thread failed while the request ran. */
  | 'execution';

/** The engine's one error type. The message names tensors, types and shapes, never contents. */
export class EngineError extends Error {
  readonly reason: EngineErrorReason;

  constructor(reason: EngineErrorReason, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = 'EngineError';
    this.reason = reason;
  }
}

/** The error itself, or one of reason `execution` that has it for its cause. */
export function asEngineError(error: unknown): EngineError {
  return error instanceof EngineError ? error : new EngineError('execution', String(error), error);
}
