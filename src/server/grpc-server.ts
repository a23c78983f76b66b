import {
  Server,
  type ServerOptions,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { answerDirectly } from './direct-calls.js';
import { KEEPALIVE } from './listener.js';
import { cancelWithStatus } from './streams.js';
import { unaryMethods } from './unary-methods.js';

/** A service whose definition bounds its requests: `boundedDefinition`. */
interface BoundedService {
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
}

/**
 * A server of these services without a listener. Once it has its listeners `listens` is to be called: plain calls
 * are answered past grpc-js from then on.
 * @param maxReceiveBytes of a request; a larger one is answered RESOURCE_EXHAUSTED.
 */
export function makeGrpcServer(
  services: readonly BoundedService[],
  maxReceiveBytes: number,
  options: ServerOptions = {},
): { readonly server: Server; readonly listens: () => void } {
  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': maxReceiveBytes,
    'grpc.max_send_message_length': -1,
    interceptors: [cancelWithStatus],
    ...KEEPALIVE,
    ...options,
  });
  for (const { definition, handlers } of services) server.addService(definition, handlers);
  const methods = unaryMethods(services);
  return { server, listens: () => answerDirectly(server, { methods, maxReceiveBytes }) };
}
