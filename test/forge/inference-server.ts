import { after } from 'node:test';
import {
  Client,
  type ClientOptions,
  credentials,
  Metadata,
  type MethodDefinition,
  type ServiceError,
} from '@grpc/grpc-js';
import { makeTlsIdentity } from '../../enclave/tls.js';
import type { Engine, LoadedModel } from '../../src/engine/engine.js';
import { createEngine, type EngineSettings } from '../../src/engine/onnx-engine.js';
import type { AnswerHead } from '../../src/server/answer-head.js';
import { inferenceService } from '../../src/server/inference-service.js';
import { ModelRegistry } from '../../src/server/model-registry.js';
import type { ModelRepository } from '../../src/server/model-repository.js';
import { INFERENCE_SERVICE, loadInference } from '../../src/server/protocol.js';
import { type ConnectionLimits, startServer } from '../../src/server/server.js';

const definitions = loadInference();

export interface TestServerOptions {
  readonly models: Readonly<Record<string, Uint8Array>>;
  readonly engine?: EngineSettings;
  readonly head?: AnswerHead;
  readonly repository?: ModelRepository;
  readonly maxReceiveBytes?: number;
  readonly connections?: Partial<ConnectionLimits>;
}

export interface TestServer {
  readonly port: number;
  readonly certificatePem: string;
  readonly engine: Engine;
  readonly registry: ModelRegistry;
  readonly model: (name: string) => LoadedModel;
  readonly failures: unknown[];
  /** Calls a method of the inference service as any generic client would: over TLS, with proto-loader's codec. */
  readonly call: <Response>(method: string, request: object) => Promise<Response>;
  /** A call's message as bytes, for what no well-behaved client sends. */
  readonly callBytes: (method: string, request: Buffer) => Promise<Buffer>;
  /** Sends messages on one ModelStreamInfer stream and gathers the answers. */
  readonly stream: (requests: readonly object[]) => Promise<readonly StreamAnswer[]>;
  readonly close: () => Promise<void>;
}

/** `ModelStreamInferResponse` as proto-loader decodes it. */
interface StreamAnswer {
  readonly error_message: string;
  readonly infer_response: InferAnswer;
}

/** `ModelInferResponse` as proto-loader decodes it. */
export interface InferAnswer {
  readonly model_name: string;
  readonly model_version: string;
  readonly id: string;
  readonly parameters: Readonly<
    Record<string, { readonly string_param?: string; readonly bool_param?: boolean }>
  >;
  readonly outputs: readonly {
    readonly name: string;
    readonly datatype: string;
    readonly shape: readonly string[];
  }[];
  readonly raw_output_contents: readonly Buffer[];
}

/** A server on loopback, stopped when the test file ends. */
export async function startTestServer(options: TestServerOptions): Promise<TestServer> {
  const server = await startLoopbackServer(options);
  after(() => server.close());
  return server;
}

/** A server on loopback with its own engine and a client of it. */
export async function startLoopbackServer(options: TestServerOptions): Promise<TestServer> {
  const engine = await createEngine({ workers: 1, ...options.engine });
  const registry = new ModelRegistry();
  for (const [name, model] of Object.entries(options.models)) {
    registry.add(await engine.load({ name, version: '1', model, externalData: [] }));
  }
  const failures: unknown[] = [];
  const { certificatePem, privateKeyPem } = await makeTlsIdentity(['localhost'], new Date());
  const server = await startServer({
    services: [
      inferenceService({
        models: registry,
        server: { name: 'assay', version: 'test' },
        ready: () => true,
        onFailure: (error) => failures.push(error),
        ...(options.head === undefined ? {} : { head: options.head }),
        ...(options.repository === undefined ? {} : { repository: options.repository }),
      }),
    ],
    address: { host: '127.0.0.1', port: 0 },
    tls: { certificatePem, privateKeyPem },
    maxReceiveBytes: options.maxReceiveBytes ?? 4 * 1024 * 1024,
    connections: { max: 64, maxStreams: 256, idle: 3_600_000, ...options.connections },
  });
  server.setServing(true);
  const client = new Client(
    `localhost:${server.port}`,
    credentials.createSsl(Buffer.from(certificatePem)),
    { 'grpc.max_receive_message_length': -1 } satisfies ClientOptions,
  );
  const close = async (): Promise<void> => {
    client.close();
    await server.drain(1000);
    await engine.close();
  };

  function request<Request, Response>(
    method: MethodDefinition<Request, Response>,
    serialize: (request: Request) => Buffer,
    deserialize: (bytes: Buffer) => Response,
    message: Request,
  ): Promise<Response> {
    return new Promise((resolve, reject) => {
      const metadata = new Metadata();
      const done = (error: ServiceError | null, response?: Response): void => {
        if (error !== null) reject(error);
        else if (response !== undefined) resolve(response);
      };
      client.makeUnaryRequest(method.path, serialize, deserialize, message, metadata, done);
    });
  }

  const methodOf = (name: string): MethodDefinition<object, object> => {
    const service = definitions[INFERENCE_SERVICE] as {
      readonly [name: string]: MethodDefinition<object, object>;
    };
    const method = service[name];
    if (method === undefined) throw new TypeError(`no method ${name}`);
    return method;
  };

  return {
    port: server.port,
    certificatePem,
    engine,
    registry,
    failures,
    close,
    model: (name) => registry.get(name, ''),
    call: <Response>(name: string, message: object) => {
      const method = methodOf(name);
      return request<object, object>(
        method,
        method.requestSerialize,
        method.responseDeserialize,
        message,
      ) as Promise<Response>;
    },
    stream: (requests) =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = methodOf('ModelStreamInfer');
        const deserialize = (bytes: Buffer): StreamAnswer =>
          responseDeserialize(bytes) as StreamAnswer;
        const call = client.makeBidiStreamRequest(path, requestSerialize, deserialize);
        const answers: StreamAnswer[] = [];
        call.on('data', (answer: StreamAnswer) => answers.push(answer));
        call.on('error', reject);
        call.on('end', () => resolve(answers));
        for (const message of requests) call.write(message);
        call.end();
      }),
    callBytes: (name, message) => {
      const method = methodOf(name) as unknown as MethodDefinition<Buffer, Buffer>;
      const same = (bytes: Buffer): Buffer => bytes;
      return request(method, same, same, message);
    },
  };
}
