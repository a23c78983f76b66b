import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../../../src/config.js';
import { type Serving, serve } from '../../../src/main.js';
import { makeLog } from '../../../src/service/log.js';
import { scaleModel } from '../../forge/enclave.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import { simulatorKeys } from '../../vectors.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-dimensions-'));
after(() => rm(folder, { recursive: true }));

const type = { tensor: dataType.float, shape: ['n', 'height', 3, 'width'] };
const image = encodeModel({
  graph: {
    inputs: [{ name: 'x', type }],
    outputs: [{ name: 'y', type }],
    nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['y'] }],
  },
});
await writeFile(join(folder, 'image.onnx'), image);
await writeFile(join(folder, 'scale.onnx'), scaleModel(2));

function start(name: string, dimensions: Readonly<Record<string, readonly number[]>>) {
  const config = {
    listen: { port: 0 },
    platform: { kind: 'simulator', rootDirectory: simulatorKeys },
    models: [{ name, path: `${name}.onnx`, batching: { maxBatchSize: 2, dimensions } }],
    development: true,
    workers: 1,
  };
  return serve(parseConfig(config, {}, folder), {
    log: makeLog('silent'),
    surroundings: { env: {}, execArgv: [], inspector: undefined },
    now: () => new Date(),
    onFatal: (error) => {
      throw error;
    },
  });
}

for (const [name, dimensions, message] of [
  ['image', { height: [2], widht: [4] }, /names widht; the model's .* are: height, width$/],
  ['image', { n: [2], height: [2], width: [4] }, /names n; the model's .* are: height, width$/],
  ['scale', { n: [2] }, /names n; the model's .* are: none$/],
] as const) {
  test(`sizes of what may not vary are refused: ${name} ${Object.keys(dimensions)}`, async () => {
    await assert.rejects(start(name, dimensions), { code: 'CONFIG_INVALID', message });
  });
}

test('sizes of what may vary are taken', async () => {
  const serving: Serving = await start('image', { height: [2], width: [4] });
  await serving.close();
});
