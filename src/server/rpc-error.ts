import { type ServiceError, status } from '@grpc/grpc-js';
import { AssayError } from '../../attestation/encoding/error.js';
import { EngineError, type EngineErrorReason } from '../engine/error.js';

/** A failure that has a gRPC status of its own. The message goes to the caller as it is. */
export class RpcError extends Error {
  readonly code: status;

  constructor(code: status, message: string) {
    super(message);
    this.name = 'RpcError';
    this.code = code;
  }
}

export function invalid(message: string): RpcError {
  return new RpcError(status.INVALID_ARGUMENT, message);
}

const ENGINE_STATUS: Readonly<Record<EngineErrorReason, status>> = {
  load: status.FAILED_PRECONDITION,
  memory: status.RESOURCE_EXHAUSTED,
  'invalid-request': status.INVALID_ARGUMENT,
  exhausted: status.RESOURCE_EXHAUSTED,
  deadline: status.DEADLINE_EXCEEDED,
  timeout: status.DEADLINE_EXCEEDED,
  cancelled: status.CANCELLED,
  draining: status.UNAVAILABLE,
  execution: status.INTERNAL,
};

/** What a caller is told: never a stack, never contents. Unknown failures say nothing of themselves. */
export function toStatus(error: unknown): Pick<ServiceError, 'code' | 'details'> {
  if (error instanceof RpcError) return { code: error.code, details: error.message };
  if (error instanceof EngineError) {
    return { code: ENGINE_STATUS[error.reason], details: error.message };
  }
  if (error instanceof AssayError && error.code.startsWith('TENSOR_')) {
    return { code: status.INVALID_ARGUMENT, details: error.message };
  }
  return { code: status.INTERNAL, details: 'the request failed for a reason of the server' };
}
