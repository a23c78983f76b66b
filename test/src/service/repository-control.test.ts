import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { EngineError } from '../../../src/engine/error.js';
import { RpcError } from '../../../src/server/rpc-error.js';
import type { ModelManager } from '../../../src/service/model-manager.js';
import { repositoryOf } from '../../../src/service/repository-control.js';

for (const { what, failure, code, message } of [
  {
    what: 'a model that the configuration does not name',
    failure: new AssayError('CONFIG_MODEL', 'm: no such model'),
    code: status.NOT_FOUND,
    message: 'CONFIG_MODEL: m: no such model',
  },
  {
    what: 'one that may not be served',
    failure: new AssayError('LAUNCH_POLICY_MODEL', 'm: not named'),
    code: status.FAILED_PRECONDITION,
    message: 'LAUNCH_POLICY_MODEL: m: not named',
  },
  {
    what: 'one for which there is no memory',
    failure: new EngineError('memory', 'm needs 11 MiB'),
    code: status.RESOURCE_EXHAUSTED,
    message: 'm needs 11 MiB',
  },
  {
    what: 'one that does not load',
    failure: new EngineError('load', 'm: not ONNX'),
    code: status.FAILED_PRECONDITION,
    message: 'm: not ONNX',
  },
]) {
  test(`the status of a change that fails, and the reason in the index: ${what}`, async () => {
    const manager: Pick<ModelManager, 'load' | 'unload' | 'list'> = {
      load: () => Promise.reject(failure),
      unload: () => Promise.reject(failure),
      list: () => [{ name: 'm', version: '1', served: false, failure }],
    };
    const repository = repositoryOf(manager as ModelManager);
    const refused = (error: unknown): boolean =>
      error instanceof RpcError && error.code === code && error.message === message;
    await assert.rejects(
      repository.load('m', () => true),
      refused,
    );
    await assert.rejects(
      repository.unload('m', () => true),
      refused,
    );
    assert.deepEqual(repository.index(), [
      { name: 'm', version: '1', ready: false, reason: message },
    ]);
  });
}
