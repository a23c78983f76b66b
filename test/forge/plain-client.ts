import { join } from 'node:path';
import { Client, credentials, type ServiceError } from '@grpc/grpc-js';
import { loadSync, type MethodDefinition } from '@grpc/proto-loader';
import { repositoryRoot } from '../vectors.js';

type Methods = Readonly<Record<string, MethodDefinition<object, object>>>;

function methodsOf(service: string, ...file: readonly string[]): Methods {
  const options = { keepCase: true, longs: Number, enums: String, defaults: true };
  return loadSync(join(repositoryRoot, 'proto', ...file), options)[service] as Methods;
}

const protocol: Methods = {
  ...methodsOf('inference.GRPCInferenceService', 'open_inference_grpc.proto'),
  ...methodsOf('grpc.health.v1.Health', 'grpc', 'health', 'v1', 'health.proto'),
};

/** A client without TLS that knows the Open Inference Protocol and health checks, and nothing of Assay. */
export class PlainClient {
  /** For calls that are not unary. */
  readonly client: Client;

  constructor(port: number | string) {
    this.client = new Client(`127.0.0.1:${port}`, credentials.createInsecure());
  }

  call(name: string, request: object = {}): Promise<Readonly<Record<string, unknown>>> {
    const method = protocol[name];
    if (method === undefined) throw new TypeError(name);
    return new Promise((resolve, reject) => {
      this.client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        (error: ServiceError | null, response?: object) =>
          error === null ? resolve(response as Record<string, unknown>) : reject(error),
      );
    });
  }

  close(): void {
    this.client.close();
  }
}

/** ModelInfer of the adder, typed: 1 and 2, twice. */
export function adderRequest(changes: object = {}): object {
  return {
    model_name: 'adder',
    id: 'seven',
    inputs: ['a', 'b'].map((name) => ({
      name,
      datatype: 'FP32',
      shape: [2],
      contents: { fp32_contents: [1, 2] },
    })),
    ...changes,
  };
}
