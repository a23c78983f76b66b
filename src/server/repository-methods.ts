import { status } from '@grpc/grpc-js';
import type { ModelRegistry } from './model-registry.js';
import type { ModelRepository } from './model-repository.js';
import { invalid, RpcError } from './rpc-error.js';
import type { UnaryCall } from './unary-methods.js';

export interface RepositoryOptions {
  readonly models: ModelRegistry;
  /** Absent: models cannot be loaded or unloaded at run time. */
  readonly repository?: ModelRepository | undefined;
}

interface RepositoryRequest {
  readonly repository_name: string;
}

interface IndexRequest extends RepositoryRequest {
  readonly ready: boolean;
}

interface ChangeRequest extends RepositoryRequest {
  readonly model_name: string;
  readonly parameters?: object;
}

export interface RepositoryMethods {
  index(request: IndexRequest): Promise<object>;
  load(request: ChangeRequest, call: UnaryCall<unknown>): Promise<object>;
  unload(request: ChangeRequest, call: UnaryCall<unknown>): Promise<object>;
}

/** What `inference.GRPCInferenceService` answers to who lists, loads and unloads models. */
export function repositoryMethods(options: RepositoryOptions): RepositoryMethods {
  return {
    index: async (request) => ({
      models: index(options, request)
        .filter((model) => model.ready || !request.ready)
        .map(({ name, version, ready, reason }) => ({
          name,
          version,
          state: ready ? 'READY' : 'UNAVAILABLE',
          reason,
        })),
    }),
    load: async (request, call) => {
      await repositoryOf(options, request).load(request.model_name, wantedBy(call));
      return {};
    },
    unload: async (request, call) => {
      const repository = repositoryOf(options, { ...request, parameters: {} });
      await repository.unload(request.model_name, wantedBy(call));
      return {};
    },
  };
}

/** Tells whether a call's answer is still waited for. */
function wantedBy(call: UnaryCall<unknown>): () => boolean {
  let wanted = true;
  call.once('cancelled', () => {
    wanted = false;
  });
  return () => wanted;
}

/** Throws UNIMPLEMENTED where a request names a repository, as Triton does: the protocol alone knows several. */
function assertUnnamed({ repository_name: name }: RepositoryRequest): void {
  if (name === '') return;
  throw new RpcError(
    status.UNIMPLEMENTED,
    "expected no repository_name: the configuration's models are the one repository",
  );
}

function index(
  { models, repository }: RepositoryOptions,
  request: RepositoryRequest,
): ReturnType<ModelRepository['index']> {
  assertUnnamed(request);
  return (
    repository?.index() ??
    models.list().map(({ name, version }) => ({ name, version, ready: true, reason: '' }))
  );
}

function repositoryOf({ repository }: RepositoryOptions, request: ChangeRequest): ModelRepository {
  assertUnnamed(request);
  if (repository === undefined) {
    throw new RpcError(
      status.UNIMPLEMENTED,
      'models are loaded at start alone: the configuration does not allow their control at run time',
    );
  }
  if (Object.keys(request.parameters ?? {}).length > 0) {
    throw invalid('expected no parameters: what a caller sends along would be measured by nobody');
  }
  return repository;
}
