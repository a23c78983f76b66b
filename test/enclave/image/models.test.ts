import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parse } from 'yaml';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { parseLaunchPolicy } from '../../../attestation/evidence/launch-policy.js';
import { collectModels } from '../../../enclave/image/models.js';
import { parseSpecification } from '../../../enclave/image/specification.js';
import { configSchema } from '../../../src/service/config-schema.js';
import { packageFiles, writeFiles } from '../../forge/model-package.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-image-'));
after(() => rm(folder, { recursive: true }));
writeFiles(join(folder, 'source'), packageFiles());

const vectors = 'ab'.repeat(32);
const collect = async (name: string, more: string) => {
  const text = `{version: 1, commandLine: quiet, hosts: [localhost], models: [{name: m, path: source/model.onnx${more}}]}`;
  const specification = parseSpecification(text, join(folder, 'image.yaml'));
  const image = await collectModels(specification, join(folder, name));
  const { files, launchPolicy, configuration } = image;
  return {
    models: configSchema.parse(parse(configuration.data.toString())).models,
    paths: files.map(({ path }) => path.replace('/app/models/m/1/', '')),
    policy: parseLaunchPolicy(parse(launchPolicy.data.toString())),
    data: (path: string) => files.find((file) => file.path.endsWith(path))?.data,
  };
};

test('an image has the models and their external data, and nothing else of a package', async () => {
  const { paths, policy } = await collect('plain', '');
  assert.deepEqual(paths, ['model.onnx', 'weights.bin']);
  assert.equal(policy.models[0]?.selfTest, undefined);
});

test('an image whose launch policy requires test vectors has them, and the tolerances', async () => {
  const { paths, policy, data } = await collect('tested', `, selfTest: {vectors: ${vectors}}`);
  assert.deepEqual(paths, [
    'model.onnx',
    'weights.bin',
    'test_data_set_0/input_0.pb',
    'test_data_set_0/output_0.pb',
    'tolerances.json',
  ]);
  const [model] = policy.models;
  assert.equal(toHex(model?.selfTest?.vectors ?? new Uint8Array()), vectors);
  const beside = await readFile(join(folder, 'source', 'tolerances.json'));
  assert.deepEqual(data('tolerances.json'), beside);
});

test('models whose names and versions are alike once they are joined keep their own files', async () => {
  writeFiles(join(folder, 'other'), packageFiles(16, 2));
  const path = (source: string): string => `path: ${source}/model.onnx`;
  const models = `[{name: a, version: 1-2, ${path('source')}}, {name: a-1, version: '2', ${path('other')}}]`;
  const text = `{version: 1, commandLine: quiet, hosts: [localhost], models: ${models}}`;
  const specification = parseSpecification(text, join(folder, 'image.yaml'));
  const { files, configuration } = await collectModels(specification, join(folder, 'joined'));
  const served = configSchema.parse(parse(configuration.data.toString())).models;
  const sources = ['source', 'other'].map((name) => readFile(join(folder, name, 'model.onnx')));
  for (const [index, bytes] of (await Promise.all(sources)).entries()) {
    const there = files.filter((file) => file.path === served[index]?.path);
    assert.deepEqual(
      there.map(({ data }) => data),
      [bytes],
    );
  }
});

test('a model that is not there is refused, by its path', async () => {
  const text =
    '{version: 1, commandLine: quiet, hosts: [localhost], models: [{name: m, path: none.onnx}]}';
  const specification = parseSpecification(text, join(folder, 'image.yaml'));
  await assert.rejects(collectModels(specification, join(folder, 'missing')), {
    code: 'CONFIG_IMAGE',
    message: /none\.onnx/,
  });
});

test('the service of an image gets the options of each model, and its own defaults for the rest', async () => {
  const options =
    'allowEmptyTensors: true, allowTrappingDivision: true, intraOpThreads: 2, graphOptimizationLevel: basic, maxRunSeconds: 5, batching: {maxBatchSize: 1}';
  const [given] = (await collect('options', `, ${options}`)).models;
  const [plain] = (await collect('defaults', '')).models;
  const { batching, ...rest } = parse(`{${options}}`);
  assert.deepEqual(given, { ...plain, ...rest, batching: { ...plain?.batching, ...batching } });
  assert.notDeepEqual(given, plain);
});
