import {
  type ServiceDefinition,
  type ServiceError,
  status,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { joined } from '../engine/pieces.js';
import { PREFIX } from './codec/prefix.js';
import { MOST_DECODED, opaqueMessage } from './protocol.js';
import { RpcError } from './rpc-error.js';

/** What a handler sees of a unary call; grpc-js's `ServerUnaryCall` is one. */
export interface UnaryCall<Request> {
  /** For as long as the handler is being called. */
  readonly request: Request;
  once(event: 'cancelled', listener: () => void): unknown;
  /** Infinity for none. */
  getDeadline(): Date | number;
  getPeer(): string;
}

/** How a handler answers, once. */
export type Answer<Response> = (error: Partial<ServiceError> | null, response?: Response) => void;

/** Of a message; one at least. */
export type Pieces = readonly [Uint8Array, ...Uint8Array[]];

/** A method with one message each way. */
export interface UnaryMethod {
  /** Largest request that there is a use for, bytes, whatever a server takes. */
  readonly limit: number;
  /** From the pieces that it came in; throws RpcError for bytes that are no such message. */
  readonly parse: (pieces: readonly Buffer[]) => unknown;
  readonly handle: (call: UnaryCall<unknown>, answer: Answer<object>) => void;
  /** Behind `PREFIX` bytes for gRPC's prefix, in pieces, in order. */
  readonly serialize: (response: object) => Pieces;
}

/** INTERNAL is what gRPC's "Status codes" say of a message that cannot be parsed, and grpc-js answers. */
function unparsable(cause: unknown): RpcError {
  const reason = cause instanceof Error ? cause.message : 'it is none';
  return new RpcError(status.INTERNAL, `expected the method's request message: ${reason}`);
}

/**
 * The unary methods of services, by path (`/package.Service/Method`). Where requests pass as bytes, handlers
 * get pieces; where responses do, handlers answer with pieces, behind `PREFIX` bytes.
 */
export function unaryMethods(
  services: readonly {
    readonly definition: ServiceDefinition;
    readonly handlers: UntypedServiceImplementation;
  }[],
): ReadonlyMap<string, UnaryMethod> {
  const methods = new Map<string, UnaryMethod>();
  for (const { definition, handlers } of services) {
    for (const [name, method] of Object.entries(definition)) {
      const { path, requestStream, responseStream, requestDeserialize, responseSerialize } = method;
      const handler = handlers[name];
      if (requestStream || responseStream || handler === undefined) continue;
      const opaque = requestDeserialize === opaqueMessage;
      const inPieces = responseSerialize === opaqueMessage;
      methods.set(path, {
        limit: opaque ? Number.POSITIVE_INFINITY : MOST_DECODED,
        parse: (pieces) => {
          if (opaque) return pieces;
          try {
            return requestDeserialize(joined(pieces));
          } catch (cause) {
            throw cause instanceof RpcError ? cause : unparsable(cause);
          }
        },
        handle: handler as UnaryMethod['handle'],
        serialize: (response) =>
          inPieces ? (response as Pieces) : [Buffer.alloc(PREFIX), responseSerialize(response)],
      });
    }
  }
  return methods;
}
