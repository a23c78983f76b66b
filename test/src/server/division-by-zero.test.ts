import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { type InferAnswer, startTestServer } from '../../forge/inference-server.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { GraphInit } from '../../forge/onnx-init.js';

const OPERATORS = ['Div', 'Mod'] as const;
const vector = { tensor: dataType.int64, shape: ['n'] };
const operands = ['p', 'q'].map((name) => ({ name, type: vector }));
const y = { name: 'y', type: vector };

/** `y = p op q`. */
const direct = (op: string): GraphInit => ({
  inputs: operands,
  nodes: [{ op, name: 'Integer division by zero', inputs: ['p', 'q'], outputs: ['y'] }],
  outputs: [y],
});

/** The same in a branch, taken unless the largest of `p` is 0. */
const branching = (op: string): GraphInit => {
  const branch = { g: { ...direct(op), inputs: [] } };
  return {
    inputs: operands,
    nodes: [
      { op: 'ReduceMax', inputs: ['p'], outputs: ['most'], attributes: { keepdims: { i: 0 } } },
      { op: 'Cast', inputs: ['most'], outputs: ['any'], attributes: { to: { i: dataType.bool } } },
      {
        op: 'If',
        inputs: ['any'],
        outputs: ['y'],
        attributes: { then_branch: branch, else_branch: branch },
      },
    ],
    outputs: [y],
  };
};

/** `y = p` in as many rows as `q` says: fails for another reason. */
const expanding: GraphInit = {
  inputs: operands,
  nodes: [{ op: 'Reshape', name: 'Integer division by zero', inputs: ['p', 'q'], outputs: ['y'] }],
  outputs: [y],
};

const encode = (graph: GraphInit): Uint8Array => encodeModel({ opsets: { '': 20 }, graph });
const server = await startTestServer({
  models: {
    ...Object.fromEntries(OPERATORS.map((op) => [op, encode(direct(op))])),
    ...Object.fromEntries(OPERATORS.map((op) => [`${op}-branch`, encode(branching(op))])),
    Reshape: encode(expanding),
  },
});

const request = (model: string, p: readonly bigint[], q: readonly bigint[]) => ({
  model_name: model,
  inputs: [p, q].map(({ length }, i) => ({
    name: operands[i]?.name,
    datatype: 'INT64',
    shape: [length],
  })),
  raw_input_contents: [p, q].map((values) => Buffer.from(BigInt64Array.from(values).buffer)),
});

async function infer(model: string, p: readonly bigint[], q: readonly bigint[]): Promise<bigint[]> {
  const answer = await server.call<InferAnswer>('ModelInfer', request(model, p, q));
  const [bytes = Buffer.alloc(0)] = answer.raw_output_contents;
  return Array.from({ length: bytes.length / 8 }, (_, i) => bytes.readBigInt64LE(8 * i));
}

for (const model of OPERATORS.flatMap((op) => [op, `${op}-branch`])) {
  test(`${model}: a divisor of zero is the caller's, and is told without data`, async () => {
    await assert.rejects(infer(model, [7n, 7n], [2n, 0n]), {
      code: status.INVALID_ARGUMENT,
      details: 'with these inputs the model divides an integer by zero',
    });
    assert.equal(server.model(model).statistics.fail.count, 1);
    assert.deepEqual(server.failures, [], 'nothing is reported as the failure of the server');
    assert.deepEqual(await infer(model, [7n], [2n]), [model.startsWith('Div') ? 3n : 1n]);
  });
}

test('what fails for another reason stays a failure of the server, whatever its nodes are called', async () => {
  const details = 'ONNX Runtime could not execute a Reshape node on these inputs';
  await assert.rejects(infer('Reshape', [1n, 2n], [5n]), { code: status.INTERNAL, details });
  assert.equal(server.failures.length, 1);
  const [streamed] = await server.stream([request('Reshape', [1n, 2n], [5n])]);
  assert.equal(streamed?.error_message, details);
  assert.equal(server.failures.length, 2);
});
