import { status } from '@grpc/grpc-js';
import { AssayError } from '../../attestation/encoding/error.js';
import { EngineError } from '../engine/error.js';
import type { ModelRepository } from '../server/model-repository.js';
import { RpcError, toStatus } from '../server/rpc-error.js';
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

/** Why a model is not served, in the words that whoever asked for it was told. */
function reasonOf(failure: unknown): string {
  return failure === undefined ? 'unloaded' : toStatus(translate(failure)).details;
}

/** Loads and unloads that wait for the one that is under way, those included whose callers are gone. */
const MOST_WAITING = 16;

/** Triton's repository extension over the models that the configuration names. */
export function repositoryOf(manager: ModelManager): ModelRepository {
  let underWay = 0;

  async function change(work: () => Promise<void>): Promise<void> {
    if (underWay > MOST_WAITING) {
      throw new RpcError(
        status.RESOURCE_EXHAUSTED,
        `${MOST_WAITING} loads and unloads wait for another already, no more may: try again later`,
      );
    }
    underWay++;
    try {
      await work();
    } catch (error) {
      throw translate(error);
    } finally {
      underWay--;
    }
  }

  return {
    index: () =>
      manager.list().map(({ name, version, served, failure }) => ({
        name,
        version,
        ready: served,
        reason: served ? '' : reasonOf(failure),
      })),
    load: (name, wanted) => change(() => manager.load(name, wanted)),
    unload: (name, wanted) => change(() => manager.unload(name, wanted)),
  };
}
