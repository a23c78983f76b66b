import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readExecutable } from '../../../src/admission/model-source.js';
import { tensor } from '../../../src/client/tensor.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { LocalNode } from '../../../src/replay/local-node.js';
import { Caller } from '../../bench/support/rpc.js';
import { floats } from '../../forge/inference-requests.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { GraphInit, NodeInit, TensorInit } from '../../forge/onnx-init.js';
import { serveIn } from '../../forge/serving.js';
import { temporaryFolder } from '../hub/setting.js';

const COUNT = 2000;
const one = { tensor: dataType.float, shape: [1] };

/** A tensor too large to be placed in the model where it need not. */
const inFile = (name: string, index: number): TensorInit => ({
  name,
  type: dataType.float,
  dims: [COUNT],
  external: { location: 'w.bin', offset: String(4 * COUNT * index), length: String(4 * COUNT) },
});
const sumOf = (input: string, output: string): NodeInit => ({
  op: 'ReduceSum',
  inputs: [input],
  outputs: [output],
});
const branch: GraphInit = {
  initializers: [inFile('v', 1)],
  nodes: [sumOf('v', 'of v')],
  outputs: [{ name: 'of v', type: one }],
};

/** The sum of x, of a tensor of the graph, and of one of a subgraph. */
const model = encodeModel({
  graph: {
    inputs: [{ name: 'x', type: one }],
    initializers: [{ name: 'chosen', type: dataType.bool, dims: [], int32s: [1] }, inFile('w', 0)],
    nodes: [
      sumOf('w', 'of w'),
      {
        op: 'If',
        inputs: ['chosen'],
        outputs: ['either'],
        attributes: { then_branch: { g: branch }, else_branch: { g: branch } },
      },
      { op: 'Sum', inputs: ['x', 'of w', 'either'], outputs: ['y'] },
    ],
    outputs: [{ name: 'y', type: one }],
  },
});

const weights = (w: number, v: number): Float32Array =>
  new Float32Array(2 * COUNT).fill(w, 0, COUNT).fill(v, COUNT);

test('external data is that of the model’s folder, whatever lies in the working directory', async (t) => {
  const [folder, other] = [temporaryFolder(t), temporaryFolder(t)];
  writeFileSync(join(folder, 'm.onnx'), model);
  writeFileSync(join(folder, 'w.bin'), weights(2, 3));
  writeFileSync(join(other, 'w.bin'), weights(70, 700));
  const before = process.cwd();
  process.chdir(other);
  t.after(() => process.chdir(before));

  const serving = await serveIn(folder, {
    plaintext: { port: 0 },
    models: [{ name: 'm', path: 'm.onnx' }],
    development: true,
  });
  t.after(() => serving.close());
  const caller = new Caller(`127.0.0.1:${serving.plaintextPort}`);
  t.after(() => caller.close());
  const served = await caller.call<{ raw_output_contents: readonly Buffer[] }>('ModelInfer', {
    model_name: 'm',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [1] }],
    raw_input_contents: [floats(1)],
  });
  assert.deepEqual(served.raw_output_contents, [floats(1 + 5 * COUNT)]);

  const engine = await createEngine({ workers: 1 });
  t.after(() => engine.close());
  const node = new LocalNode(engine, await readExecutable(join(folder, 'm.onnx')));
  const { outputs } = await node.run({}, [tensor('x', 'FP32', [1])], ['y']);
  assert.deepEqual(outputs[0]?.data, new Uint8Array(floats(1 + 5 * COUNT)));
});
