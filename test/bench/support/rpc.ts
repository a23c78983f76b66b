import { Client, credentials, type MethodDefinition, type ServiceDefinition } from '@grpc/grpc-js';
import { loadInference } from '../../../src/server/protocol.js';
import type { ServingModel } from './serving-models.js';

const service = loadInference()['inference.GRPCInferenceService'] as ServiceDefinition;

/** A plaintext connection to a server of the protocol, beside the load. */
export class Caller {
  readonly #client: Client;

  constructor(target: string) {
    this.#client = new Client(target.replace(/^http:\/\//, ''), credentials.createInsecure());
  }

  async call<Response>(name: string, request: object, seconds = 30): Promise<Response> {
    const method = service[name] as MethodDefinition<object, Response>;
    return new Promise((resolve, reject) => {
      this.#client.makeUnaryRequest(
        method.path,
        method.requestSerialize,
        method.responseDeserialize,
        request,
        { deadline: Date.now() + seconds * 1000 },
        (error, response) => {
          if (error === null && response !== undefined) resolve(response);
          else reject(error ?? new Error('expected a response'));
        },
      );
    });
  }

  close(): void {
    this.#client.close();
  }
}

/** Inferences of a model since the server started. */
export interface Counts {
  readonly succeeded: number;
  readonly failed: number;
}

interface Statistics {
  readonly model_stats: readonly {
    readonly inference_stats: Readonly<
      Record<'success' | 'fail', { readonly count: string } | null>
    >;
  }[];
}

/** What a server counted of a model, by `ModelStatistics`. */
export async function countsOf(caller: Caller, name: string): Promise<Counts> {
  const { model_stats } = await caller.call<Statistics>('ModelStatistics', { name });
  const stats = model_stats[0]?.inference_stats;
  return { succeeded: Number(stats?.success?.count ?? 0), failed: Number(stats?.fail?.count ?? 0) };
}

export const NONCE = Buffer.alloc(32, 7).toString('base64url');

/** A ModelInferRequest with raw contents and a nonce. */
function inferRequest({ name, inputs }: Pick<ServingModel, 'name' | 'inputs'>): object {
  return {
    model_name: name,
    parameters: { nonce: { string_param: NONCE } },
    inputs: inputs.map((input) => ({
      name: input.name,
      datatype: input.datatype,
      shape: input.shape,
    })),
    raw_input_contents: inputs.map(({ data }) => Buffer.from(data)),
  };
}

const pathOf = (name: string): string => (service[name] as MethodDefinition<object, object>).path;

export const INFER = pathOf('ModelInfer');
export const LIVE = pathOf('ServerLive');

/** `inferRequest` as bytes. */
export function inferMessage(model: Pick<ServingModel, 'name' | 'inputs'>): Buffer {
  const method = service['ModelInfer'] as MethodDefinition<object, object>;
  return method.requestSerialize(inferRequest(model));
}

/** The bytes of a model's answer. */
export async function answerOf(caller: Caller, model: ServingModel): Promise<Buffer> {
  const { raw_output_contents } = await caller.call<{ raw_output_contents: readonly Buffer[] }>(
    'ModelInfer',
    inferRequest(model),
  );
  return Buffer.concat(raw_output_contents);
}
