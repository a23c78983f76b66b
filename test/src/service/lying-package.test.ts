import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, type TestContext, test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { readPackage } from '../../../src/hub/package-source.js';
import { pushModel } from '../../../src/hub/push.js';
import { parseReference } from '../../../src/hub/reference.js';
import { type ResolvedModel, resolveModel } from '../../../src/hub/resolve.js';
import type { ServeOptions, Serving } from '../../../src/main.js';
import { measureConfigured } from '../../../src/service/model-files.js';
import { externalModel, writeFiles } from '../../forge/model-package.js';
import { dataType, encodeTensor } from '../../forge/onnx.js';
import { serveIn, serveOptions } from '../../forge/serving.js';
import { impatient, temporaryFolder } from '../hub/setting.js';

type Files = Record<string, Uint8Array | string>;

const floats = (values: readonly number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer);
const vector = (values: readonly number[]): Uint8Array =>
  encodeTensor({ type: dataType.float, dims: [values.length], floats: values });

/** y = x + w, with w = [10, 20] in an external file, and a package that tells the truth. */
const honest = (weights = 'weights.bin'): Files => ({
  'model.onnx': externalModel(2, weights),
  [weights]: floats([10, 20]),
  'tolerances.json': '{"version":1,"default":{"absolute":0.001}}',
  'test_data_set_0/input_0.pb': vector([1, 2]),
  'test_data_set_0/output_0.pb': vector([11, 22]),
});
const graph = toHex(
  identifyModel({
    path: 'model.onnx',
    bytes: externalModel(2),
    external: new Map([['weights.bin', floats([10, 20])]]),
  }).graph,
);

/** Where the package is served from: its folder, or a hub that it was pushed to. */
type Way = (t: TestContext, files: Files) => Promise<string>;

const fromFolder: Way = async (t, files) => {
  const folder = temporaryFolder(t);
  writeFiles(folder, files);
  return join(folder, 'model.onnx');
};
const fromHub: Way = async (t, files) => {
  const [source, hub] = [temporaryFolder(t), temporaryFolder(t)];
  writeFiles(source, files);
  const reference = `ocidir://${join(hub, 'm')}`;
  const { digest } = await pushModel(
    await readPackage(source, 'm'),
    parseReference(`${reference}:v1`),
    { retry: impatient() },
  );
  return `${reference}@${digest}`;
};

async function serveFrom(
  t: TestContext,
  path: string,
  more: Partial<ServeOptions> = {},
  launchPolicy: unknown = { version: 1, models: [{ graph }] },
): Promise<Serving> {
  const folder = temporaryFolder(t);
  writeFiles(folder, { 'launch.json': JSON.stringify(launchPolicy) });
  const config = {
    launchPolicy: 'launch.json',
    hub: { cache: join(folder, 'cache') },
    models: [{ name: 'm', path, batching: { maxBatchSize: 1 } }],
  };
  return serveIn(folder, config, more);
}

const lies: readonly (readonly [string, Files, string])[] = [
  [
    'outputs that it does not compute',
    { 'test_data_set_0/output_0.pb': vector([11, 23]) },
    'MODEL_SELF_TEST',
  ],
  [
    'outputs beyond its own tolerance',
    { 'test_data_set_0/output_0.pb': vector([11, 22.01]) },
    'MODEL_SELF_TEST',
  ],
  [
    'a tolerance that its outputs exceed',
    {
      'test_data_set_0/output_0.pb': vector([11, 22.0005]),
      'tolerances.json': '{"version":1,"default":{"absolute":0.0001}}',
    },
    'MODEL_SELF_TEST',
  ],
  ['inputs of another shape', { 'test_data_set_0/input_0.pb': vector([1]) }, 'MODEL_SELF_TEST'],
  [
    'vectors for an output that it does not have',
    { 'test_data_set_0/output_1.pb': vector([11, 22]) },
    'MODEL_VECTORS',
  ],
  ['other external data', { 'weights.bin': floats([10, 21]) }, 'LAUNCH_POLICY_MODEL'],
];

for (const [place, way] of [
  ['a folder', fromFolder],
  ['a hub', fromHub],
] as const) {
  describe(`a package in ${place}`, () => {
    test('that tells the truth is served', async (t) => {
      const serving = await serveFrom(t, await way(t, honest()));
      const [model] = serving.enclave.manifest.models;
      await serving.close();
      assert.equal(model?.selfTest?.identical, 1);
    });

    for (const [name, lie, code] of lies) {
      test(`with ${name} is not: ${code}`, async (t) => {
        const path = await way(t, { ...honest(), ...lie });
        await assert.rejects(serveFrom(t, path), { code });
      });
    }

    test('that lies is not, whatever its folder of external data is called', async (t) => {
      const lying = { 'test_data_set_0/output_0.pb': vector([11, 23]) };
      const path = await way(t, { ...honest('weights.onnx/weights.bin'), ...lying });
      await assert.rejects(serveFrom(t, path), { code: 'MODEL_SELF_TEST' });
    });

    test('with vectors that the launch policy does not require is not', async (t) => {
      const selfTest = { vectors: '00'.repeat(32) };
      const policy = { version: 1, models: [{ graph, selfTest }] };
      await assert.rejects(serveFrom(t, await way(t, honest()), {}, policy), {
        code: 'LAUNCH_POLICY_VECTORS',
      });
    });
  });
}

describe('external data that is exchanged', () => {
  test('between hash and load is not executed: what was read once is', async (t) => {
    const path = await fromFolder(t, honest());
    let exchanged = false;
    const makeEngine: typeof createEngine = async (given) => {
      const engine = await createEngine(given);
      return new Proxy(engine, {
        get: (target, key, receiver) => {
          if (key !== 'load') {
            const value = Reflect.get(target, key, receiver);
            return typeof value === 'function' ? value.bind(target) : value;
          }
          return (...args: Parameters<typeof target.load>) => {
            writeFileSync(path.replace('model.onnx', 'weights.bin'), floats([70, 80]));
            exchanged = true;
            return target.load(...args);
          };
        },
      });
    };
    const serving = await serveFrom(t, path, { makeEngine });
    const [model] = serving.enclave.manifest.models;
    await serving.close();
    assert.ok(exchanged);
    assert.equal(model?.selfTest?.identical, 1, 'the vectors hold for the data that was hashed');
    assert.equal(toHex(model?.graph ?? new Uint8Array()), graph);
  });

  test('while the service runs changes nothing, and is refused when the model is loaded anew', async (t) => {
    const path = await fromFolder(t, honest());
    const serving = await serveFrom(t, path);
    writeFileSync(path.replace('model.onnx', 'weights.bin'), floats([70, 80]));
    await assert.rejects(serving.models.load('m'), { code: 'LAUNCH_POLICY_MODEL' });
    const [model] = serving.enclave.manifest.models;
    await serving.close();
    assert.equal(toHex(model?.graph ?? new Uint8Array()), graph);
  });

  test('between the hub’s verification and the measurement: HUB_CHANGED', async (t) => {
    const path = await fromHub(t, honest());
    const cache = temporaryFolder(t);
    const exchange: typeof resolveModel = async (text, given) => {
      const resolved = await resolveModel(text, given);
      writeFileSync(join(resolved.directory, 'weights.bin'), floats([70, 80]));
      return resolved;
    };
    await assert.rejects(measureConfigured(path, { cache }, serveOptions.surroundings, exchange), {
      code: 'HUB_CHANGED',
    });
  });

  for (const [what, change] of [
    ['which files there are', (resolved) => ({ ...resolved, files: [] })],
    ['what the files mean', (resolved) => ({ ...resolved, graph: new Uint8Array(32) })],
  ] as readonly (readonly [string, (resolved: ResolvedModel) => ResolvedModel])[]) {
    test(`of ${what} alone, after the hub's verification: HUB_CHANGED`, async (t) => {
      const path = await fromHub(t, honest());
      const cache = temporaryFolder(t);
      const exchange: typeof resolveModel = async (text, given) =>
        change(await resolveModel(text, given));
      await assert.rejects(
        measureConfigured(path, { cache }, serveOptions.surroundings, exchange),
        {
          code: 'HUB_CHANGED',
        },
      );
    });
  }

  test('in the hub itself: HUB_DIGEST', async (t) => {
    const path = await fromHub(t, honest());
    const [, layout = '', digest = ''] = /^ocidir:\/\/(.*)@(.*)$/.exec(path) ?? [];
    const manifest = JSON.parse(
      readFileSync(join(layout, 'blobs', ...digest.split(':')), 'utf8'),
    ) as { layers: { digest: string; annotations: Record<string, string> }[] };
    const blob = manifest.layers.find((layer) =>
      Object.values(layer.annotations).includes('weights.bin'),
    );
    writeFileSync(join(layout, 'blobs', ...(blob?.digest ?? '').split(':')), floats([70, 80]));
    await assert.rejects(serveFrom(t, path), { code: 'HUB_DIGEST' });
  });
});
