import type { ServerUnaryCall, sendUnaryData, UntypedServiceImplementation } from '@grpc/grpc-js';
import {
  Cancellation,
  type InferenceRequest,
  type InferenceResult,
  type LoadedModel,
} from '../engine/engine.js';
import type { TensorSpec } from '../engine/tensor.js';
import { decodeInferRequest, type WireRequest } from './codec/infer-request.js';
import { encodeInferResponse } from './codec/infer-response.js';
import type { ModelRegistry } from './model-registry.js';
import type { Recorder } from './recorder.js';
import { RpcError, toStatus } from './rpc-error.js';
import { validateInputs, validateOutputs, validateParameters } from './validation.js';

export interface InferenceServiceOptions {
  readonly models: ModelRegistry;
  /** Absent: answers carry no receipts. */
  readonly recorder?: Recorder;
  readonly server: { readonly name: string; readonly version: string };
  /** False until everything configured is loaded, and while draining. */
  readonly ready: () => boolean;
  /** Told of failures that are the server's own, with what the caller is not told. */
  readonly onFailure?: (error: unknown) => void;
}

interface ModelReference {
  readonly name: string;
  readonly version: string;
}

type Handler<Request, Response> = (
  call: ServerUnaryCall<Request, Response>,
  done: sendUnaryData<Response>,
) => void;

/** Handlers of `inference.GRPCInferenceService`. */
export function inferenceHandlers(options: InferenceServiceOptions): UntypedServiceImplementation {
  const { models, server, ready } = options;

  function unary<Request, Response>(
    answer: (request: Request, call: ServerUnaryCall<Request, Response>) => Promise<Response>,
  ): Handler<Request, Response> {
    return (call, done) => {
      answer(call.request, call).then(
        (response) => done(null, response),
        (error: unknown) => {
          const failure = toStatus(error);
          if (!(error instanceof RpcError)) options.onFailure?.(error);
          done(failure);
        },
      );
    };
  }

  return {
    ServerLive: unary(async () => ({ live: true })),
    ServerReady: unary(async () => ({ ready: ready() })),
    ModelReady: unary<ModelReference, object>(async ({ name, version }) => ({
      ready: ready() && models.find(name, version) !== undefined,
    })),
    ServerMetadata: unary(async () => ({ ...server, extensions: [] })),
    ModelMetadata: unary<ModelReference, object>(async ({ name, version }) =>
      metadata(models.get(name, version), models.versions(name)),
    ),
    ModelInfer: unary<Buffer, Buffer>(async (bytes, call) => {
      const wire = decodeInferRequest(bytes);
      const model = models.get(wire.modelName, wire.modelVersion);
      const { nonce, ...request } = inferenceRequest(wire, model, call);
      const result = await model.infer(request);
      const parameters = await receiptParameters(options.recorder, model, nonce, result);
      return encodeInferResponse({
        modelName: model.name,
        modelVersion: model.version,
        id: wire.id,
        parameters,
        outputs: result.outputs,
      });
    }),
  };
}

function metadata(model: LoadedModel, versions: readonly string[]): object {
  const describe = ({ name, datatype, shape }: TensorSpec): object => ({
    name,
    datatype,
    shape: (shape ?? []).map((dimension) => (typeof dimension === 'number' ? dimension : -1)),
  });
  return {
    name: model.name,
    versions,
    platform: 'onnxruntime_onnx',
    inputs: model.inputs.map(describe),
    outputs: model.outputs.map(describe),
  };
}

function inferenceRequest(
  wire: WireRequest,
  model: LoadedModel,
  call: ServerUnaryCall<Buffer, Buffer>,
): InferenceRequest & { readonly nonce: Uint8Array | undefined } {
  const { nonce, priority, timeout } = validateParameters(wire);
  const cancellation = new Cancellation();
  call.once('cancelled', () => cancellation.cancel());
  const remaining = Number(call.getDeadline()) - Date.now();
  return {
    nonce,
    inputs: validateInputs(wire, model),
    outputs: validateOutputs(wire, model),
    caller: call.getPeer(),
    priority,
    timeout,
    deadline: performance.now() + remaining,
    cancellation,
  };
}

async function receiptParameters(
  recorder: Recorder | undefined,
  model: LoadedModel,
  nonce: Uint8Array | undefined,
  { annotation }: InferenceResult,
): Promise<[name: string, value: string][]> {
  if (recorder === undefined || annotation === undefined) return [];
  const { receipt, salt } = await recorder.record({ model, nonce, annotation });
  return [
    ['receipt', base64Url(receipt)],
    ['receipt_salt', base64Url(salt)],
  ];
}

/** Node's own encoder: the portable one costs more than the rest of the answer. */
function base64Url(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}
