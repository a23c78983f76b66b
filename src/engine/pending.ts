import type { InferenceRequest, InferenceResult } from './engine.js';
import { EngineError } from './error.js';
import { totalLength } from './pieces.js';
import { piecesOf } from './tensor.js';

/** A request that was accepted and waits for a worker. */
export interface Pending {
  readonly request: InferenceRequest;
  /** `addressOf` its caller. */
  readonly address: string;
  /** Requests with equal keys may share an execution. */
  readonly batchKey: string;
  /** Most rows of an execution that it may share; 1: none. */
  readonly sharedRows: number;
  /** Triton's batch size of a request: dimension 0 of its inputs; 1 where the model has no `max_batch_size`. */
  readonly rows: number;
  /** `inputBytesOf` it. */
  readonly inputBytes: number;
  /** What it takes of `RequestMemory`: its inputs, or the message that they are views of. */
  readonly bytes: number;
  readonly priority: number;
  /** performance.now() */
  readonly enqueued: number;
  /** performance.now(): not dispatched later. */
  readonly expires: number;
  readonly resolve: (result: InferenceResult) => void;
  readonly reject: (error: EngineError) => void;
  /** Whether it is in a `RequestQueue`, which alone sets it; false once it was dispatched or given up. */
  waiting: boolean;
}

/** Nobody would hear the answer. */
export function cancelled(): EngineError {
  return new EngineError('cancelled', 'the caller went away before the request was dispatched');
}

/** Why a request is not dispatched any more; undefined where it is. */
export function overdue({ request, expires }: Pending, now: number): EngineError | undefined {
  if (request.cancellation?.cancelled === true) return cancelled();
  if (expires >= now) return undefined;
  return new EngineError('deadline', 'the deadline passed while it waited');
}

/** A caller's address: `203.0.113.7:50123` is a connection of `203.0.113.7`. */
export function addressOf(caller: string): string {
  const end = caller.lastIndexOf(':');
  return end === -1 ? caller : caller.slice(0, end);
}

/** Bytes of all its inputs. */
export function inputBytesOf({ inputs }: InferenceRequest): number {
  return inputs.reduce((sum, input) => sum + totalLength(piecesOf(input)), 0);
}
