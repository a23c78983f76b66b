import { status } from '@grpc/grpc-js';
import { AssayError } from '../../attestation/encoding/error.js';
import { EngineError } from '../engine/error.js';
import type { ModelRepository } from '../server/model-repository.js';
import { RpcError } from '../server/rpc-error.js';
import type { ModelManager } from './model-manager.js';

/** Names of a code's area that the caller of a repository method is told of: no paths, no contents. */
function translate(error: unknown): unknown {
  if (error instanceof AssayError) {
    const code = error.code === 'CONFIG_MODEL' ? status.NOT_FOUND : status.FAILED_PRECONDITION;
    return new RpcError(code, `${error.code}: ${error.message}`);
  }
  if (error instanceof EngineError) {
    const full = error.reason === 'memory';
    return new RpcError(
      full ? status.RESOURCE_EXHAUSTED : status.FAILED_PRECONDITION,
      error.message,
    );
  }
  return error;
}

async function translated(work: Promise<void>): Promise<void> {
  try {
    await work;
  } catch (error) {
    throw translate(error);
  }
}

/** Triton's repository extension over the models that the configuration names. */
export function repositoryOf(manager: ModelManager): ModelRepository {
  return {
    index: () =>
      manager.list().map(({ name, version, served }) => ({
        name,
        version,
        ready: served,
        reason: served ? '' : 'unloaded',
      })),
    load: (name) => translated(manager.load(name)),
    unload: (name) => translated(manager.unload(name)),
  };
}
