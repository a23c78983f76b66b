import { logVerbosity, Server, ServerCredentials, setLogVerbosity } from '@grpc/grpc-js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { Session } from '../client/session.js';
import { answerDirectly } from '../server/direct-calls.js';
import { inferenceHandlers } from '../server/inference-service.js';
import { ModelRegistry } from '../server/model-registry.js';
import { boundedDefinition, inferenceDefinition, loadInference } from '../server/protocol.js';
import { unaryMethods } from '../server/unary-methods.js';
import { VERSION } from '../system/version.js';
import { forwardedParameters, type OnAnswer, RemoteModel } from './remote-model.js';

export interface ProxyOptions {
  /** `host:port`, port 0 for a free one. Without TLS: what passes there, the machine sees. */
  readonly address: string;
  /** Largest request, bytes. */
  readonly maxReceiveBytes: number;
  /** Told of every answer, verified, before its caller gets it. */
  readonly onAnswer?: OnAnswer;
  /**
   * Told of answers that do not hold, and of failures that are the proxy's own, with what the caller is not
   * told.
   */
  readonly onFailure?: (error: unknown) => void;
}

/** A running proxy. */
export interface Proxy {
  readonly port: number;
  /** Stops accepting and ends every connection. */
  close(): void;
}

/**
 * Speaks the Open Inference Protocol to clients that know nothing of Assay, on this machine, and
 * attested inference to the enclave of a session: no answer passes without a valid receipt. Serves the
 * models that the session's manifest has when it starts.
 */
export async function startProxy(session: Session, options: ProxyOptions): Promise<Proxy> {
  // What goes wrong is an error of this function or a status of a call; standard error is its caller's.
  setLogVerbosity(logVerbosity.NONE);
  const models = new ModelRegistry();
  const onAnswer = options.onAnswer ?? (async () => {});
  session.models().forEach((model, i) => {
    models.add(new RemoteModel(session, model, i, onAnswer));
  });
  const server = new Server({
    'grpc.max_receive_message_length': options.maxReceiveBytes,
    'grpc.max_send_message_length': -1,
  });
  const definition = boundedDefinition(inferenceDefinition(loadInference()));
  const handlers = inferenceHandlers({
    models,
    parameters: forwardedParameters,
    server: { name: 'assay-proxy', version: VERSION },
    ready: (model) => session.ready(model),
    ...(options.onFailure && { onFailure: options.onFailure }),
  });
  server.addService(definition, handlers);
  const port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(options.address, ServerCredentials.createInsecure(), (error, bound) => {
      if (error === null) resolve(bound);
      else {
        const message = `cannot listen on ${options.address}: ${error.message}`;
        reject(new AssayError('CONFIG_LISTEN', message, error));
      }
    });
  });
  const { maxReceiveBytes } = options;
  answerDirectly(server, { methods: unaryMethods([{ definition, handlers }]), maxReceiveBytes });
  // With channelz, which nothing serves: without it grpc-js does not know its connections here.
  return { port, close: () => server.forceShutdown() };
}
