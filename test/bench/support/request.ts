import type { MethodDefinition, ServiceDefinition } from '@grpc/grpc-js';
import { loadInference } from '../../../src/server/protocol.js';
import type { ServingModel } from './serving-models.js';

const service = loadInference()['inference.GRPCInferenceService'] as ServiceDefinition;

export const INFER = '/inference.GRPCInferenceService/ModelInfer';

/** A ModelInferRequest with raw contents and a nonce, as bytes. */
export function inferMessage({ name, inputs }: ServingModel): Buffer {
  const method = service['ModelInfer'] as MethodDefinition<object, object>;
  return method.requestSerialize({
    model_name: name,
    parameters: { nonce: { string_param: Buffer.alloc(32, 7).toString('base64url') } },
    inputs: inputs.map((input) => ({
      name: input.name,
      datatype: input.datatype,
      shape: input.shape,
    })),
    raw_input_contents: inputs.map(({ data }) => Buffer.from(data)),
  });
}
