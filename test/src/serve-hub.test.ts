import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toHex } from '../../attestation/encoding/bytes.js';
import { pemBlocks } from '../../attestation/encoding/pem.js';
import { connect } from '../../src/client/connect.js';
import { loadConfig, parseConfig } from '../../src/config.js';
import { readPackage } from '../../src/hub/package-source.js';
import { pushModel } from '../../src/hub/push.js';
import { parseReference } from '../../src/hub/reference.js';
import { serve } from '../../src/main.js';
import { affirmingPolicy, scaleModel, servedModel } from '../forge/enclave.js';
import { writeFiles } from '../forge/model-package.js';
import { serveOptions } from '../forge/serving.js';
import { simulatorKeys } from '../vectors.js';
import { forgedRegistry, impatient, temporaryFolder } from './hub/setting.js';

const platform = { kind: 'simulator', rootDirectory: simulatorKeys };
const policy = affirmingPolicy([servedModel('scale', 2)]);

test('a node serves a model straight from a registry, by digest', async (t) => {
  const registry = await forgedRegistry(t);
  const folder = temporaryFolder(t);
  writeFiles(folder, { 'scale.onnx': scaleModel(2), 'm.gguf': 'GGUF....' });
  const push = async (file: string, tag: string) =>
    pushModel(
      await readPackage(join(folder, file), 'scale'),
      parseReference(`oci://${registry.host}/models/scale:${tag}`),
      { retry: impatient() },
    );
  const { digest } = await push('scale.onnx', 'v1');
  const other = await push('m.gguf', 'gguf');
  const place = `oci://${registry.host}/models/scale`;
  const launchPolicy = join(folder, 'launch-policy.yaml');
  writeFileSync(
    launchPolicy,
    JSON.stringify({
      version: 1,
      models: [{ graph: toHex(servedModel('scale', 2).identity.graph) }],
    }),
  );
  const environment = {
    ASSAY_LAUNCH_POLICY: launchPolicy,
    ASSAY_PLATFORM: JSON.stringify(platform),
    ASSAY_LISTEN_PORT: '0',
    ASSAY_WORKERS: '1',
    ASSAY_HUB_CACHE: temporaryFolder(t),
  };
  for (const [reference, code] of [
    [`${place}:v1`, 'HUB_UNPINNED'],
    [`${place}@${other.digest}`, 'HUB_NOT_EXECUTABLE'],
    [`${place}@sha256:${'0'.repeat(64)}`, 'HUB_NOT_FOUND'],
  ] as const) {
    const start = async () => serve(await loadConfig(reference, environment), serveOptions);
    await assert.rejects(start, { code });
  }
  const serving = await serve(await loadConfig(`${place}@${digest}`, environment), serveOptions);
  try {
    const roots = pemBlocks(serving.simulatedRoot ?? '', 'CERTIFICATE');
    const session = await connect(`localhost:${serving.port}`, policy, { roots });
    const data = new Uint8Array(Float32Array.of(1, -2).buffer);
    const answer = await session.infer('scale', [
      { name: 'x', datatype: 'FP32', shape: [2], data },
    ]);
    assert.deepEqual(answer.outputs[0]?.data, new Uint8Array(Float32Array.of(2, -4).buffer));
    session.close();
  } finally {
    await serving.close();
  }
});

test('a configuration keeps references as they are, and its cache beside it', () => {
  const reference = `ocidir:///srv/hub/m@sha256:${'0'.repeat(64)}`;
  const config = parseConfig({ models: [{ name: 'm', path: reference }] }, {}, '/etc/assay');
  assert.equal(config.models[0]?.path, reference);
  assert.equal(config.hub.cache, '/etc/assay/hub-cache');
});

test('Docker’s configuration that cannot be read ends the start', async (t) => {
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, 'config.json'), '{');
  const registry = await forgedRegistry(t);
  registry.fault = () => ({
    kind: 'answer',
    status: 401,
    headers: { 'www-authenticate': 'Basic realm="x"' },
  });
  const reference = `oci://${registry.host}/m@sha256:${'0'.repeat(64)}`;
  const config = parseConfig(
    { models: [{ name: 'm', path: reference }], hub: { cache: temporaryFolder(t) }, platform },
    {},
    folder,
  );
  const surroundings = { ...serveOptions.surroundings, env: { DOCKER_CONFIG: folder } };
  await assert.rejects(serve(config, { ...serveOptions, surroundings }), {
    code: 'HUB_CREDENTIALS',
  });
});
