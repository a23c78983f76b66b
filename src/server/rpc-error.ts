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

/** Characters of a message that is sent as grpc-message. */
const MAX_DETAILS = 800;

/**
 * Bytes of the same, percent-encoded, up to nine a character. Clients refuse a header list of more than 8 KiB: with
 * a longer one, which quotes a name of the caller's, the answer never left, nor did those of later calls on the
 * connection. nginx answers 502 where it is more than a page, 4 KiB, unless it is told otherwise.
 */
const MAX_ENCODED = 3072;

/** The start of a message that fits, without halves of surrogate pairs: they cannot be encoded at all. */
function fitting(message: string): string {
  const start = message.slice(0, MAX_DETAILS).toWellFormed();
  if (encodeURI(start).length <= MAX_ENCODED) return start;
  let encoded = 0;
  let length = 0;
  for (const character of start) {
    encoded += encodeURI(character).length;
    if (encoded > MAX_ENCODED) break;
    length += character.length;
  }
  return start.slice(0, length);
}

function told(code: status, message: string): Pick<ServiceError, 'code' | 'details'> {
  const start = fitting(message);
  return { code, details: start.length < message.length ? `${start}…` : start };
}

/** What a caller is told: never a stack, never contents. Unknown failures say nothing of themselves. */
export function toStatus(error: unknown): Pick<ServiceError, 'code' | 'details'> {
  if (error instanceof RpcError) return told(error.code, error.message);
  if (error instanceof EngineError) return told(ENGINE_STATUS[error.reason], error.message);
  if (error instanceof AssayError && error.code.startsWith('TENSOR_')) {
    return told(status.INVALID_ARGUMENT, error.message);
  }
  return { code: status.INTERNAL, details: 'the request failed for a reason of the server' };
}

/**
 * Whether a failure is for the operator: neither the caller's mistake nor a limit that did its work. Also an
 * answer of a remote enclave that does not hold, DATA_LOSS, though its caller is told all of it.
 */
export function isOwnFailure(error: unknown): boolean {
  if (error instanceof RpcError) return error.code === status.DATA_LOSS;
  const { code } = toStatus(error);
  return code === status.INTERNAL || code === status.FAILED_PRECONDITION;
}
