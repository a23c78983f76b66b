import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { type InferAnswer, startTestServer } from '../../forge/inference-server.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { GraphInit, NodeInit } from '../../forge/onnx-init.js';

const vector = (n: string) => ({ tensor: dataType.int64, shape: [n] });
const inputs = [
  { name: 'p', type: vector('m') },
  { name: 'q', type: vector('n') },
];
const outputs = [{ name: 'y', type: { tensor: dataType.int64 } }];
/** What a kernel says of a divisor: names of nodes are in its messages too. */
const name = 'Integer division by zero';

/** `y = op(p, q, …)`. */
const direct = (op: string, ...more: readonly string[]): GraphInit => ({
  inputs,
  nodes: [{ op, name, inputs: ['p', 'q', ...more], outputs: ['y'] }],
  outputs,
});

/** The same behind other nodes. */
const behind = (nodes: readonly NodeInit[], graph: GraphInit): GraphInit => ({
  ...graph,
  nodes: [...nodes, ...graph.nodes],
});

const most = (of: string): NodeInit => ({
  op: 'ReduceMax',
  inputs: [of],
  outputs: ['most'],
  attributes: { keepdims: { i: 0 } },
});

/** The same in a branch, taken unless the largest of `p` is 0. */
const branching = (op: string): GraphInit => {
  const branch = { g: { ...direct(op), inputs: [] } };
  const cast = { to: { i: dataType.bool } };
  return {
    inputs,
    nodes: [
      most('p'),
      { op: 'Cast', inputs: ['most'], outputs: ['any'], attributes: cast },
      {
        op: 'If',
        inputs: ['any'],
        outputs: ['y'],
        attributes: { then_branch: branch, else_branch: branch },
      },
    ],
    outputs,
  };
};

/** `y` has `p` in one row and `q` in another. */
const stacked: GraphInit = {
  inputs,
  nodes: [
    { op: 'Constant', inputs: [], outputs: ['first'], attributes: { value_ints: { ints: [0] } } },
    { op: 'Unsqueeze', inputs: ['p', 'first'], outputs: ['r'] },
    { op: 'Unsqueeze', inputs: ['q', 'first'], outputs: ['s'] },
    {
      op: 'Concat',
      name,
      inputs: ['r', 's'],
      outputs: ['y'],
      attributes: { axis: { i: 0 } },
    },
  ],
  outputs,
};

interface Case {
  readonly graph: GraphInit;
  readonly told: string;
  readonly q: readonly bigint[];
  /** What the same model then takes. */
  readonly fits: readonly bigint[];
}

const divided = ': an integer is divided by zero';
const outside = ': an index is outside of its data';
const CASES: Readonly<Record<string, Case>> = {
  Div: { graph: direct('Div'), q: [2n, 0n], fits: [2n], told: `a Div node%${divided}` },
  Mod: { graph: direct('Mod'), q: [2n, 0n], fits: [2n], told: `a Mod node%${divided}` },
  'Div in a branch': {
    graph: branching('Div'),
    q: [2n, 0n],
    fits: [2n],
    told: `an If node%${divided}`,
  },
  'Mod in a branch': {
    graph: branching('Mod'),
    q: [2n, 0n],
    fits: [2n],
    told: `an If node%${divided}`,
  },
  Gather: { graph: direct('Gather'), q: [2n], fits: [1n], told: `a Gather node%${outside}` },
  GatherElements: {
    graph: direct('GatherElements'),
    q: [2n],
    fits: [1n],
    told: `a GatherElements node%${outside}`,
  },
  GatherND: { graph: direct('GatherND'), q: [2n], fits: [1n], told: `a GatherND node%${outside}` },
  ScatterElements: {
    graph: direct('ScatterElements', 'q'),
    q: [2n],
    fits: [1n],
    told: `a ScatterElements node%${outside}`,
  },
  ScatterND: {
    graph: behind([most('q')], direct('ScatterND', 'most')),
    q: [2n],
    fits: [1n],
    told: `a ScatterND node%${outside}`,
  },
  Reshape: {
    graph: direct('Reshape'),
    q: [5n],
    fits: [2n],
    told: 'a Reshape node%: the elements do not fill the shape',
  },
  Expand: {
    graph: direct('Expand'),
    q: [3n],
    fits: [4n, 2n],
    told: 'an Expand node%: a shape cannot be broadcast to another',
  },
  Add: {
    graph: direct('Add'),
    q: [1n, 2n, 3n],
    fits: [1n],
    told: 'an Add node%: a shape cannot be broadcast to another',
  },
  MatMul: {
    graph: direct('MatMul'),
    q: [1n, 2n, 3n],
    fits: [1n, 2n],
    told: 'a MatMul node%: shapes do not match',
  },
  Concat: {
    graph: stacked,
    q: [1n, 2n, 3n],
    fits: [1n, 2n],
    told: 'a Concat node%: shapes do not match',
  },
  Unsqueeze: { graph: direct('Unsqueeze'), q: [9n], fits: [0n], told: 'an Unsqueeze node%' },
};

const server = await startTestServer({
  models: Object.fromEntries(
    Object.entries(CASES).map(([model, { graph }]) => [
      model,
      encodeModel({ opsets: { '': 20 }, graph }),
    ]),
  ),
});

const request = (model: string, p: readonly bigint[], q: readonly bigint[]) => ({
  model_name: model,
  inputs: [p, q].map(({ length }, i) => ({
    name: inputs[i]?.name,
    datatype: 'INT64',
    shape: [length],
  })),
  raw_input_contents: [p, q].map((values) => Buffer.from(BigInt64Array.from(values).buffer)),
});

const infer = (model: string, p: readonly bigint[], q: readonly bigint[]): Promise<InferAnswer> =>
  server.call<InferAnswer>('ModelInfer', request(model, p, q));

for (const [model, { q, fits, told }] of Object.entries(CASES)) {
  test(`${model}: values and shapes that a kernel refuses are the caller's, and are told without data`, async () => {
    const message = `ONNX Runtime could not execute ${told.replace('%', ' on these inputs')}`;
    await assert.rejects(infer(model, [7n, 7n], q), {
      code: status.INVALID_ARGUMENT,
      details: message,
    });
    assert.equal(server.model(model).statistics.fail.count, 1);
    assert.deepEqual(server.failures, [], 'nothing is reported as the failure of the server');
    await infer(model, [7n, 7n], fits);
  });
}

test('what there is no memory for stays a failure of the server', async () => {
  const details = 'ONNX Runtime could not execute an Expand node on these inputs';
  const asked = [[7n], [2n ** 58n]] as const;
  await assert.rejects(infer('Expand', ...asked), { code: status.INTERNAL, details });
  assert.equal(server.failures.length, 1);
  const [streamed] = await server.stream([request('Expand', ...asked)]);
  assert.equal(streamed?.error_message, details);
  assert.equal(server.failures.length, 2);
});
