import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { Caller } from '../../bench/support/rpc.js';
import { identityModel } from '../../forge/inference-models.js';
import { floats } from '../../forge/inference-requests.js';
import { serveIn } from '../../forge/serving.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-scalar-'));
await writeFile(join(folder, 'scalar.onnx'), identityModel('FP32', []));
await writeFile(join(folder, 'any.onnx'), identityModel('FP32', null));
const serving = await serveIn(folder, {
  plaintext: { port: 0 },
  models: ['scalar', 'any'].map((name) => ({ name, path: `${name}.onnx` })),
  development: true,
});
const caller = new Caller(`127.0.0.1:${serving.plaintextPort}`);
after(async () => {
  caller.close();
  await serving.close();
  await rm(folder, { recursive: true });
});

const infer = (model: string, shape: readonly number[]): Promise<object> =>
  caller.call('ModelInfer', {
    model_name: model,
    inputs: [{ name: 'input', datatype: 'FP32', shape }],
    raw_input_contents: [floats(2.5)],
  });

test('an input that is declared a scalar takes nothing else', async () => {
  await infer('scalar', []);
  for (const [shape, shown] of [
    [[1], /^input input: expected shape \[\], not \[1\]$/],
    [[1, 1], /^input input: expected shape \[\], not \[1,1\]$/],
  ] as const) {
    const refused = { code: status.INVALID_ARGUMENT, details: shown };
    await assert.rejects(infer('scalar', shape), refused);
  }
});

test('an input of unknown rank takes a scalar, and any other shape', async () => {
  for (const shape of [[], [1], [1, 1]]) await infer('any', shape);
});
