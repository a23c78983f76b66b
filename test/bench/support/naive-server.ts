import { Server, ServerCredentials, type ServiceDefinition } from '@grpc/grpc-js';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { loadInference } from '../../../src/server/protocol.js';
import type { ServingModel } from './serving-models.js';

interface Request {
  readonly model_name: string;
  readonly inputs: readonly { readonly name: string; readonly shape: readonly string[] }[];
  readonly raw_input_contents: readonly Buffer[];
}

/**
 * The server that one writes first: grpc-js with proto-loader, ONNX Runtime on the main thread, raw
 * FP32 contents, nothing signed, nothing validated. Resolves to its port.
 */
export async function startNaiveServer(models: readonly ServingModel[]): Promise<number> {
  const sessions = new Map<string, InferenceSession>();
  for (const { name, model } of models) {
    sessions.set(name, await InferenceSession.create(Buffer.from(model)));
  }
  const succeeded = new Map<string, number>();
  const infer = async (request: Request): Promise<object> => {
    const session = sessions.get(request.model_name);
    if (session === undefined) throw new Error('no such model');
    const feeds = Object.fromEntries(
      request.inputs.map(({ name, shape }, i) => {
        const bytes = new Uint8Array(request.raw_input_contents[i] ?? []);
        return [name, new Tensor('float32', new Float32Array(bytes.buffer), shape.map(Number))];
      }),
    );
    const results = Object.entries(await session.run(feeds));
    succeeded.set(request.model_name, (succeeded.get(request.model_name) ?? 0) + 1);
    return {
      model_name: request.model_name,
      model_version: '1',
      outputs: results.map(([name, { dims }]) => ({ name, datatype: 'FP32', shape: dims })),
      raw_output_contents: results.map(([, { data }]) => {
        const { buffer, byteOffset, byteLength } = data as Float32Array;
        return Buffer.from(buffer, byteOffset, byteLength);
      }),
    };
  };
  const definition = loadInference()['inference.GRPCInferenceService'] as ServiceDefinition;
  const server = new Server();
  server.addService(definition, {
    ServerLive: (_: unknown, done: (error: null, response: object) => void) =>
      done(null, { live: true }),
    ModelStatistics: (
      { request: { name } }: { readonly request: { readonly name: string } },
      done: (error: null, response: object) => void,
    ) => {
      const success = { count: succeeded.get(name) ?? 0 };
      done(null, { model_stats: [{ name, inference_stats: { success } }] });
    },
    ModelInfer: (
      call: { readonly request: Request },
      done: (error: Error | null, response?: object) => void,
    ) => {
      infer(call.request).then(
        (response) => done(null, response),
        (error: Error) => done(error),
      );
    },
  });
  return new Promise((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, port) => {
      if (error === null) resolve(port);
      else reject(error);
    });
  });
}
