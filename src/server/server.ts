import {
  Server,
  ServerCredentials,
  type ServiceDefinition,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import type { PackageDefinition } from '@grpc/proto-loader';
import { HealthImplementation } from 'grpc-health-check';
import { AssayError } from '../../attestation/encoding/error.js';

import { addReflection } from './reflection.js';

export interface Service {
  /** Full name, as health checks ask for it. */
  readonly name: string;
  readonly definition: ServiceDefinition;
  readonly handlers: UntypedServiceImplementation;
  /** For reflection. */
  readonly package: PackageDefinition;
}

export interface ServerSettings {
  readonly services: readonly Service[];
  /** `host:port`; port 0 takes a free one. */
  readonly address: string;
  readonly tls: { readonly certificatePem: string; readonly privateKeyPem: string };
  /** A second listener without TLS, for a sidecar on the same machine. */
  readonly plaintextAddress?: string;
  /** Largest request, bytes; a larger one is answered RESOURCE_EXHAUSTED. */
  readonly maxReceiveBytes: number;
}

export interface RunningServer {
  readonly port: number;
  readonly plaintextPort: number | undefined;
  /** What `grpc.health.v1.Health` answers, for the server and each of its services. */
  setServing(serving: boolean): void;
  /** Stops accepting, waits for calls under way, at most so many milliseconds, then closes. */
  drain(grace: number): Promise<void>;
}

function bind(server: Server, address: string, credentials: ServerCredentials): Promise<number> {
  return new Promise((resolve, reject) => {
    server.bindAsync(address, credentials, (error, port) => {
      if (error === null) resolve(port);
      else reject(new AssayError('CONFIG_LISTEN', `cannot listen on ${address}`, error));
    });
  });
}

/** Both listeners or none: a half-bound server would keep the process alive. */
async function bindAll(
  server: Server,
  { address, plaintextAddress }: ServerSettings,
  credentials: ServerCredentials,
): Promise<{ port: number; plaintextPort: number | undefined }> {
  try {
    const port = await bind(server, address, credentials);
    const insecure = ServerCredentials.createInsecure();
    const plaintextPort =
      plaintextAddress === undefined ? undefined : await bind(server, plaintextAddress, insecure);
    return { port, plaintextPort };
  } catch (error) {
    server.forceShutdown();
    throw error;
  }
}

/**
 * Starts a gRPC server with health and reflection; nothing serves until `setServing(true)`. Rejects with
 * CONFIG_LISTEN where it cannot listen.
 */
export async function startServer(settings: ServerSettings): Promise<RunningServer> {
  const { services, tls } = settings;
  const server = new Server({
    'grpc.enable_channelz': 0,
    'grpc.max_receive_message_length': settings.maxReceiveBytes,
    'grpc.max_send_message_length': -1,
  });
  const names = ['', ...services.map(({ name }) => name)];
  const health = new HealthImplementation(
    Object.fromEntries(names.map((name) => [name, 'NOT_SERVING' as const])),
  );
  for (const { definition, handlers } of services) server.addService(definition, handlers);
  health.addToServer(server);
  addReflection(
    server,
    services.map((service) => service.package),
  );
  const credentials = ServerCredentials.createSsl(null, [
    { cert_chain: Buffer.from(tls.certificatePem), private_key: Buffer.from(tls.privateKeyPem) },
  ]);
  const { port, plaintextPort } = await bindAll(server, settings, credentials);
  const setServing = (serving: boolean): void => {
    for (const name of names) health.setStatus(name, serving ? 'SERVING' : 'NOT_SERVING');
  };
  return {
    port,
    plaintextPort,
    setServing,
    drain: (grace) =>
      new Promise((resolve) => {
        setServing(false);
        const timer = setTimeout(() => server.forceShutdown(), grace);
        server.tryShutdown(() => {
          clearTimeout(timer);
          resolve();
        });
      }),
  };
}
