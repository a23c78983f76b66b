import type { UntypedServiceImplementation } from '@grpc/grpc-js';
import { Cancellation, type LoadedModel } from '../engine/engine.js';
import type { TensorSpec } from '../engine/tensor.js';
import type { AnswerHead } from './answer-head.js';
import { decodeInferRequest } from './codec/infer-request.js';
import { Inferrer } from './infer.js';
import { modelConfig, type VersionPolicy } from './model-config.js';
import type { ModelRegistry } from './model-registry.js';
import { modelStatistics } from './model-statistics.js';
import { INFERENCE_SERVICE, inferenceDefinition, loadInference } from './protocol.js';
import { type RepositoryOptions, repositoryMethods } from './repository-methods.js';
import { isOwnFailure, toStatus } from './rpc-error.js';
import type { Service } from './server.js';
import { streamInfer } from './stream-infer.js';
import type { Answer, Pieces, UnaryCall } from './unary-methods.js';

export interface InferenceServiceOptions extends RepositoryOptions {
  /** Of each answer; absent: without parameters, and so without receipts. */
  readonly head?: AnswerHead;
  /** Of a model; undefined where the configuration names its version. */
  readonly versionPolicy?: (model: LoadedModel) => VersionPolicy | undefined;
  readonly server: { readonly name: string; readonly version: string };
  /**
   * Whether requests are taken, by a model where it is given: false until everything configured is loaded,
   * and while draining.
   */
  readonly ready: (model?: LoadedModel) => boolean | Promise<boolean>;
  /** Told of the failures that `isOwnFailure` names, with what the caller is not told. */
  readonly onFailure?: (error: unknown) => void;
}

/** What Triton calls the parts of the protocol beyond the Open Inference Protocol. */
const EXTENSIONS = [
  'model_configuration',
  'model_repository',
  'schedule_policy',
  'statistics',
] as const;

interface ModelReference {
  readonly name: string;
  readonly version: string;
}

/** `inference.GRPCInferenceService`, as `startServer` takes it. */
export function inferenceService(options: InferenceServiceOptions): Service {
  const protocol = loadInference();
  return {
    name: INFERENCE_SERVICE,
    definition: inferenceDefinition(protocol),
    handlers: inferenceHandlers(options),
    package: protocol,
  };
}

/** Handlers of `inference.GRPCInferenceService`. */
export function inferenceHandlers(options: InferenceServiceOptions): UntypedServiceImplementation {
  const { models, server, ready } = options;
  const repository = repositoryMethods(options);
  const inferrer = new Inferrer(models, options.head);
  const failed = (error: unknown): void => {
    if (isOwnFailure(error)) options.onFailure?.(error);
  };

  function unary<Request, Response>(
    answer: (request: Request, call: UnaryCall<Request>) => Promise<Response>,
  ): (call: UnaryCall<Request>, done: Answer<Response>) => void {
    return (call, done) => {
      const fail = (error: unknown): void => {
        failed(error);
        done(toStatus(error));
      };
      try {
        answer(call.request, call).then((response) => done(null, response), fail);
      } catch (error) {
        fail(error);
      }
    };
  }

  return {
    ServerLive: unary(async () => ({ live: true })),
    ServerReady: unary(async () => ({ ready: await ready() })),
    ModelReady: unary<ModelReference, object>(async ({ name, version }) => {
      const model = models.find(name, version);
      return { ready: model !== undefined && model.instances > 0 && (await ready(model)) };
    }),
    ServerMetadata: unary(async () => ({ ...server, extensions: EXTENSIONS })),
    ModelMetadata: unary<ModelReference, object>(async ({ name, version }) =>
      metadata(models.get(name, version), models.versions(name)),
    ),
    ModelInfer: unary<Buffer | readonly Buffer[], Pieces>((message, call) => {
      const cancellation = new Cancellation();
      call.once('cancelled', () => cancellation.cancel());
      const remaining = Number(call.getDeadline()) - Date.now();
      const caller = { peer: call.getPeer(), remaining, cancellation };
      return inferrer.infer(decodeInferRequest(message), caller);
    }),
    ModelStreamInfer: streamInfer(inferrer, failed),
    ModelConfig: unary<ModelReference, object>(async ({ name, version }) => {
      const model = models.get(name, version);
      return { config: modelConfig(model, options.versionPolicy?.(model)) };
    }),
    ModelStatistics: unary<ModelReference, object>(async ({ name, version }) => ({
      model_stats: selected(models, name, version).map(modelStatistics),
    })),
    RepositoryIndex: unary(repository.index),
    RepositoryModelLoad: unary(repository.load),
    RepositoryModelUnload: unary(repository.unload),
  };
}

function selected(models: ModelRegistry, name: string, version: string): readonly LoadedModel[] {
  if (name === '') return models.list();
  if (version !== '') return [models.get(name, version)];
  models.get(name, '');
  return models.list().filter((model) => model.name === name);
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
