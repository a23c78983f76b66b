import {
  type Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { makeGrpcServer } from './grpc-server.js';
import { healthService } from './health.js';
import { type Address, type Listener, listen } from './listener.js';
import { boundedDefinition } from './protocol.js';
import { addReflection } from './reflection.js';
import { Sessions } from './streams.js';
import { TlsCredentials } from './tls-credentials.js';

export interface Service {
  /** Full name, as health checks ask for it. */
  readonly name: string;
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
  /** For reflection. */
  readonly package: PackageDefinition;
}

/** What a peer may occupy without asking for anything. */
export interface ConnectionLimits {
  /** Open at once on each listener; more are closed as they come. */
  readonly max: number;
  /** Calls under way on one connection; a well-behaved client keeps more to itself. */
  readonly maxStreams: number;
  /** Milliseconds without a call after which a connection is closed. */
  readonly idle: number;
}

export interface ServerSettings {
  readonly services: readonly Service[];
  readonly address: Address;
  readonly tls: { readonly certificatePem: string; readonly privateKeyPem: string };
  /** A second listener without TLS, for a sidecar on the same machine. */
  readonly plaintextAddress?: Address | undefined;
  /** Largest request, bytes; a larger one is answered RESOURCE_EXHAUSTED. */
  readonly maxReceiveBytes: number;
  readonly connections: ConnectionLimits;
}

export interface RunningServer {
  readonly port: number;
  readonly plaintextPort: number | undefined;
  /** What `grpc.health.v1.Health` answers, for the server and each of its services. */
  setServing(serving: boolean): void;
  /**
   * Stops accepting, tells who watches its health and ends the watch, waits for other calls under way, at most
   * so many milliseconds, then ends every connection, also those on which a caller holds a stream open or
   * sends its request by halves.
   */
  drain(grace: number): Promise<void>;
}

/** All listeners or none: a half-bound server would keep the process alive. */
async function listenAll(
  server: Server,
  { address, plaintextAddress, tls, connections }: ServerSettings,
): Promise<readonly [Listener, ...Listener[]]> {
  const open = (at: Address, credentials: ServerCredentials): Promise<Listener> =>
    listen(at, connections.max, server.createConnectionInjector(credentials));
  const listener = await open(address, new TlsCredentials(tls));
  if (plaintextAddress === undefined) return [listener];
  try {
    return [listener, await open(plaintextAddress, ServerCredentials.createInsecure())];
  } catch (error) {
    listener.close();
    throw error;
  }
}

/**
 * Starts a gRPC server with health and reflection; nothing serves until `setServing(true)`. Rejects with
 * CONFIG_LISTEN where it cannot listen.
 */
export async function startServer(settings: ServerSettings): Promise<RunningServer> {
  const { connections } = settings;
  const health = healthService(settings.services.map(({ name }) => name));
  const bounded = settings.services.map((service) => ({
    ...service,
    definition: boundedDefinition(service.definition),
  }));
  const services: readonly Service[] = [...bounded, health];
  const { server, listens } = makeGrpcServer(services, settings.maxReceiveBytes, {
    'grpc.max_concurrent_streams': connections.maxStreams,
    'grpc.max_connection_idle_ms': connections.idle,
  });
  addReflection(
    server,
    services.map((service) => service.package),
  );
  const listeners = await listenAll(server, settings);
  const sessions = new Sessions(server);
  listens();
  return {
    port: listeners[0].port,
    plaintextPort: listeners[1]?.port,
    setServing: health.setServing,
    drain: async (grace) => {
      health.end();
      for (const listener of listeners) listener.close();
      // It has every session end with its calls, and calls back before they have: Node 24 closes the sessions
      // of a server with it, and grpc-js does not wait for what is closing already.
      server.tryShutdown(() => undefined);
      await sessions.ended(grace);
      // grpc-js knows of no connection whose handshake is under way, and without channelz its
      // forceShutdown() ends none at all.
      await Promise.all(listeners.map((listener) => listener.disconnect()));
    },
  };
}
