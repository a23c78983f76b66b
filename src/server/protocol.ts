import { fileURLToPath } from 'node:url';
import { type MethodDefinition, type ServiceDefinition, status } from '@grpc/grpc-js';
import { loadSync, type PackageDefinition } from '@grpc/proto-loader';
import { PREFIX } from './codec/prefix.js';
import { RpcError } from './rpc-error.js';

const PROTO = fileURLToPath(new URL('../../../proto/open_inference_grpc.proto', import.meta.url));
/** Full name. */
export const INFERENCE_SERVICE = 'inference.GRPCInferenceService';

/** The package `inference`, for the server and for its reflection. */
export function loadInference(): PackageDefinition {
  return loadSync(PROTO, { keepCase: true, longs: String, defaults: true, oneofs: true });
}

/** Codec of the methods whose messages pass as bytes; an answer may come in pieces behind `PREFIX` bytes. */
export const opaqueMessage = (message: object): Buffer =>
  Buffer.isBuffer(message)
    ? message
    : Buffer.concat(message as readonly Uint8Array[]).subarray(PREFIX);

/** Bytes of a request that has no tensors: the generic codec, which has no other bound, decodes it at once. */
export const MOST_DECODED = 2 ** 20;

/** Bytes of a request that names a service, a symbol or a file. */
export const MOST_NAMED = 4096;

/** The same service, whose requests are refused before the generic codec decodes ones that are too long. */
export function boundedDefinition(
  definition: ServiceDefinition,
  most = MOST_DECODED,
): ServiceDefinition {
  const bounded = (method: MethodDefinition<object, object>): MethodDefinition<object, object> =>
    method.requestDeserialize === opaqueMessage
      ? method
      : {
          ...method,
          requestDeserialize: (bytes) => {
            if (bytes.length <= most) return method.requestDeserialize(bytes);
            const sizes = `${bytes.length} vs ${most}`;
            throw new RpcError(
              status.RESOURCE_EXHAUSTED,
              `Received message larger than max (${sizes})`,
            );
          },
        };
  return Object.fromEntries(
    Object.entries(definition).map(([name, method]) => [name, bounded(method)]),
  );
}

/** The same method with its messages left as bytes, for the codec in `codec/`. */
function opaque(method: MethodDefinition<object, object>): MethodDefinition<object, object> {
  return {
    ...method,
    requestDeserialize: opaqueMessage,
    requestSerialize: opaqueMessage,
    responseDeserialize: opaqueMessage,
    responseSerialize: opaqueMessage,
  };
}

/**
 * The service as grpc-js registers it. The messages of inferences pass as bytes: the generic codec decodes
 * typed contents an element at a time, and answers malformed messages with INTERNAL.
 */
export function inferenceDefinition(definitions: PackageDefinition): ServiceDefinition {
  const service: Record<string, MethodDefinition<object, object>> = {
    ...(definitions[INFERENCE_SERVICE] as ServiceDefinition),
  };
  for (const name of ['ModelInfer', 'ModelStreamInfer']) {
    const method = service[name];
    if (method === undefined) throw new TypeError(`${INFERENCE_SERVICE} has no method ${name}`);
    service[name] = opaque(method);
  }
  return service;
}
