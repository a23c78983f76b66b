import { logVerbosity, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import type { Session } from '../client/session.js';
import { makeGrpcServer } from '../server/grpc-server.js';
import { healthChecks } from '../server/health.js';
import { inferenceHandlers } from '../server/inference-service.js';
import { type Address, listen } from '../server/listener.js';
import { ModelRegistry } from '../server/model-registry.js';
import {
  boundedDefinition,
  INFERENCE_SERVICE,
  inferenceDefinition,
  loadInference,
} from '../server/protocol.js';
import { addReflection } from '../server/reflection.js';
import { VERSION } from '../system/version.js';
import { LastingSession, type SessionChange } from './lasting-session.js';
import { forwardedHead, type OnAnswer, RemoteModel } from './remote-model.js';

export interface ProxyOptions {
  /** Without TLS: what passes there, the machine sees. */
  readonly address: Address;
  /** Largest request, bytes. */
  readonly maxReceiveBytes: number;
  /** Makes the session anew once it is over: as it was made, so that it rejects unless it is affirmed. */
  readonly connect: (signal: AbortSignal) => Promise<Session>;
  /** Told when the session is over, and of each attempt to make another. */
  readonly onChange?: (change: SessionChange) => void;
  /** Milliseconds of a clock that only goes forward: the process's unless given. */
  readonly now?: () => number;
  /** Told of every answer, verified, before its caller gets it. */
  readonly onAnswer?: OnAnswer;
  /**
   * Told of answers that do not hold, and of failures that are the proxy's own, with what the caller is not
   * told.
   */
  readonly onFailure?: (error: unknown) => void;
}

/** Connections open at once; more are closed as they come. */
const MAX_CONNECTIONS = 1024;

/** A running proxy. */
export interface Proxy {
  readonly port: number;
  /** Stops accepting and ends every connection, but for that of the session that it was given. */
  close(): Promise<void>;
}

/**
 * Speaks the Open Inference Protocol to clients that know nothing of Assay, on this machine, and
 * attested inference to the enclave of a session: no answer passes without a valid receipt. Serves the
 * models that the session's manifest has when it begins. An enclave that is started again gets a session of
 * its own, which `LastingSession` makes; meanwhile the proxy is not ready. Rejects with CONFIG_LISTEN.
 */
export async function startProxy(session: Session, options: ProxyOptions): Promise<Proxy> {
  // What goes wrong is an error of this function or a status of a call; standard error is its caller's.
  setLogVerbosity(logVerbosity.NONE);
  const models = new ModelRegistry();
  const onAnswer = options.onAnswer ?? (async () => {});
  let loads = 0;
  const serveModels = (from: Session): void => {
    const made = from.models().map((model) => new RemoteModel(lasting, model, loads++, onAnswer));
    for (const model of models.list()) models.remove(model);
    for (const model of made) models.add(model);
  };
  let served = session;
  const lasting = new LastingSession(session, {
    connect: options.connect,
    now: options.now ?? (() => performance.now()),
    onChange: (change) => {
      if (change.kind === 'attested' && change.session !== served) {
        serveModels(change.session);
        served = change.session;
      }
      options.onChange?.(change);
    },
  });
  serveModels(session);
  const protocol = loadInference();
  const definition = boundedDefinition(inferenceDefinition(protocol));
  const handlers = inferenceHandlers({
    models,
    head: forwardedHead,
    server: { name: 'assay-proxy', version: VERSION },
    ready: (model) => lasting.ready(model),
    ...(options.onFailure && { onFailure: options.onFailure }),
  });
  const health = healthChecks([INFERENCE_SERVICE], () => lasting.ready());
  const services = [{ definition, handlers }, health];
  const { server, listens } = makeGrpcServer(services, options.maxReceiveBytes);
  addReflection(server, [protocol, health.package]);
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const listener = await listen(options.address, MAX_CONNECTIONS, injector);
  listens();
  return {
    port: listener.port,
    close: () => {
      lasting.close();
      listener.close();
      return listener.disconnect();
    },
  };
}
