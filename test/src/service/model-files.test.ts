import assert from 'node:assert/strict';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { measureModel } from '../../../enclave/measure.js';
import type { ResolveOptions } from '../../../src/hub/resolve.js';
import { measureConfigured } from '../../../src/service/model-files.js';
import { identityModel } from '../../forge/inference-models.js';
import { serveOptions } from '../../forge/serving.js';
import { temporaryFolder } from '../hub/setting.js';

const { surroundings } = serveOptions;

test('a model is measured on a thread of its own, with what measuring here finds', async (t) => {
  const path = join(temporaryFolder(t), 'm.onnx');
  writeFileSync(path, identityModel('FP32'));
  let threads = 0;
  const started = (): void => {
    threads += 1;
  };
  process.on('worker', started);
  t.after(() => process.off('worker', started));
  const { measured, trapping, delicateInputs } = await measureConfigured(
    path,
    { cache: '' },
    surroundings,
  );
  assert.equal(threads, 1);
  assert.deepEqual([trapping, delicateInputs], [[], []]);
  const here = (await measureModel(path)).measured;
  assert.deepEqual(structuredClone(here), measured);
  assert.ok(measured.bytes.buffer instanceof SharedArrayBuffer, 'workers need no copy');
});

test('what is wrong with a file has its code on this thread', async (t) => {
  const path = join(temporaryFolder(t), 'm.onnx');
  mkdirSync(path);
  await assert.rejects(measureConfigured(path, { cache: '' }, surroundings), (error: unknown) => {
    assert.ok(error instanceof AssayError);
    assert.equal(error.code, 'MODEL_FILE');
    assert.match(error.message, /^m\.onnx: expected a regular file/);
    return true;
  });
});

for (const plainHttp of [true, false, undefined]) {
  test(`how a model of a registry is brought is what the hub's settings say: plainHttp ${plainHttp}`, async () => {
    const reference = `oci://registry.example/m@sha256:${'0'.repeat(64)}`;
    const hub = { cache: '/cache', ...(plainHttp !== undefined && { plainHttp }) };
    const brought: unknown[] = [];
    const resolve = async (path: string, { cache, ...options }: ResolveOptions) => {
      brought.push([path, cache, options.plainHttp]);
      throw new AssayError('HUB_NOT_FOUND', 'nothing is brought here');
    };
    await assert.rejects(measureConfigured(reference, hub, surroundings, resolve), {
      code: 'HUB_NOT_FOUND',
    });
    assert.deepEqual(brought, [[reference, '/cache', plainHttp]]);
  });
}
