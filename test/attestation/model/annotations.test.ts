import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { strikeAnnotations } from '../../../attestation/model/annotations.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { encodeModel } from '../../forge/onnx.js';
import type { GraphInit, ValueInit } from '../../forge/onnx-init.js';

/** The shape of what NonZero finds, which no one can know before it runs. */
function shapeOfNonZero(values: readonly ValueInit[]): Uint8Array {
  return encodeModel({
    irVersion: 8,
    opsets: { '': 17 },
    graph: {
      inputs: [{ name: 'x', type: { tensor: 1, shape: ['N'] } }],
      nodes: [
        { op: 'NonZero', inputs: ['x'], outputs: ['found'] },
        { op: 'Shape', inputs: ['found'], outputs: ['y'] },
      ],
      outputs: [{ name: 'y', type: { tensor: 7, shape: [2] } }],
      values,
    },
  });
}

async function run(model: Uint8Array): Promise<number[]> {
  const session = await InferenceSession.create(model);
  const x = new Tensor('float32', new Float32Array(5).fill(1), [5]);
  const { y } = await session.run({ x });
  await session.release();
  if (!(y?.data instanceof BigInt64Array)) throw new Error('expected 64-bit integers');
  return Array.from(y.data, Number);
}

test('a false value_info, which changes answers but no digest, is struck before execution', async () => {
  const honest = shapeOfNonZero([]);
  const lying = shapeOfNonZero([{ name: 'found', type: { tensor: 7, shape: [1, 3] } }]);
  const graph = (bytes: Uint8Array) => toHex(identifyModel({ path: 'm', bytes }).graph);
  assert.equal(graph(lying), graph(honest));
  assert.deepEqual(await run(honest), [1, 5]);
  // If this fails, ONNX Runtime has stopped believing value_info, and striking it is caution only.
  assert.deepEqual(await run(lying), [1, 3]);
  assert.equal(strikeAnnotations(lying), 1);
  assert.deepEqual(await run(lying), [1, 5]);
});

test('value_info is struck in subgraphs and functions, and nothing else changes', () => {
  const values: ValueInit[] = [{ name: 'inner', type: { tensor: 1, shape: [1] } }];
  const branch: GraphInit = {
    nodes: [{ op: 'Relu', inputs: ['x'], outputs: ['t'] }],
    outputs: [{ name: 't' }],
    values,
  };
  const bytes = encodeModel({
    functions: [
      {
        domain: 'd',
        name: 'f',
        inputs: ['a'],
        outputs: ['b'],
        opsets: { '': 18 },
        nodes: [{ op: 'Relu', inputs: ['a'], outputs: ['b'] }],
        values,
      },
    ],
    graph: {
      inputs: [{ name: 'x', type: { tensor: 9, shape: [] } }],
      nodes: [
        {
          op: 'If',
          inputs: ['x'],
          outputs: ['y'],
          attributes: { then_branch: { g: branch }, else_branches: { graphs: [branch, branch] } },
        },
      ],
      outputs: [{ name: 'y', type: { tensor: 1 } }],
      values,
    },
  });
  const struck = new Uint8Array(bytes);
  assert.equal(strikeAnnotations(struck), 5);
  assert.equal(struck.filter((byte, at) => byte !== bytes[at]).length, 5);
  assert.equal(strikeAnnotations(struck), 0);
});
