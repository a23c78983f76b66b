import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  assertExternalSupplied,
  externalLocations,
} from '../../../attestation/model/external-data.js';
import { analyseModel } from '../../../attestation/model/identity.js';
import { readModel } from '../../../attestation/model/onnx.js';
import { encodeModel } from '../../forge/onnx.js';
import type {
  FunctionInit,
  GraphInit,
  ModelInit,
  NodeInit,
  TensorInit,
} from '../../forge/onnx-init.js';

const away: TensorInit = { name: 'w', type: 1, dims: [2], external: { location: 'w.bin' } };
const one: TensorInit = { ...away, dims: [1] };
const constant: NodeInit = {
  op: 'Constant',
  inputs: [],
  outputs: ['w'],
  attributes: { value: { t: away } },
};
const plain: GraphInit = {
  inputs: [{ name: 'x', type: { tensor: 7, shape: [1] } }],
  nodes: [{ op: 'Identity', inputs: ['x'], outputs: ['y'] }],
  outputs: [{ name: 'y' }],
};
const branch: GraphInit = {
  nodes: [{ op: 'Neg', inputs: ['w'], outputs: ['t'] }],
  outputs: [{ name: 't' }],
};

function withNode(op: string, attributes: NonNullable<NodeInit['attributes']>): ModelInit {
  const node = { op, inputs: ['x'], outputs: ['z'], attributes };
  return { graph: { ...plain, nodes: [...plain.nodes, node] } };
}

const within = (g: GraphInit): ModelInit =>
  withNode('If', { then_branch: { g }, else_branch: { g } });

const functionOf = (members: Partial<FunctionInit>): ModelInit => ({
  graph: plain,
  functions: [
    {
      domain: 'd',
      name: 'f',
      inputs: ['x'],
      outputs: ['y'],
      nodes: plain.nodes,
      opsets: { '': 21 },
      ...members,
    },
  ],
});

const indices: TensorInit = { type: 7, dims: [1], int64s: [0] };
const sparseOf = (values: TensorInit): NodeInit => ({
  ...constant,
  outputs: ['s'],
  attributes: { sparse_value: { sparse: { values, indices, dims: [2] } } },
});
const places: Readonly<Record<string, ModelInit>> = {
  'an initializer of a subgraph': within({ ...branch, initializers: [away] }),
  'a constant of a subgraph': within({ ...branch, nodes: [constant, ...branch.nodes] }),
  'a sparse initializer': {
    graph: { ...plain, sparse: [{ values: one, indices, dims: [2] }] },
  },
  'a sparse constant': { graph: { ...plain, nodes: [sparseOf(one), ...plain.nodes] } },
  'the positions of a sparse initializer': {
    graph: {
      ...plain,
      sparse: [
        {
          values: { name: 'w', type: 1, dims: [1], floats: [7] },
          indices: { type: 7, dims: [1], external: { location: 'w.bin' } },
          dims: [2],
        },
      ],
    },
  },
  'an attribute that is no constant': withNode('ConstantOfShape', { value: { t: one } }),
  'a sparse attribute': withNode('Identity', {
    other: { sparse: { values: one, indices, dims: [2] } },
  }),
  'an attribute of a node of a function': functionOf({
    nodes: [
      { op: 'ConstantOfShape', inputs: ['x'], outputs: ['y'], attributes: { value: { t: one } } },
    ],
  }),
  'a default of a function': functionOf({ defaults: { other: { t: one } } }),
  'a constant of a function': {
    graph: plain,
    functions: [
      { domain: 'd', name: 'f', inputs: [], outputs: ['w'], nodes: [constant], opsets: { '': 21 } },
    ],
  },
};

// ONNX Runtime opens these files itself, relative to the folder that the process runs in: what it
// reads is not what was measured.
for (const [what, model] of Object.entries(places)) {
  test(`external data for ${what} is identified, but not to be executed`, () => {
    const bytes = encodeModel(model);
    const external = new Map([['w.bin', new Uint8Array(8)]]);
    const { model: view } = analyseModel({ path: 'm', bytes, external });
    assert.deepEqual(externalLocations(view), ['w.bin']);
    assert.throws(() => assertExternalSupplied(view), { code: 'MODEL_EXTERNAL_PLACE' });
  });
}

test('external data for initializers and constants of the graph itself is supplied, beside sparse ones', () => {
  const named = { ...away, name: 'v' };
  const nodes = [constant, sparseOf({ type: 1, dims: [1], floats: [7] }), ...plain.nodes];
  const model = readModel(encodeModel({ graph: { ...plain, nodes, initializers: [named] } }));
  assert.deepEqual(externalLocations(model), ['w.bin']);
  assertExternalSupplied(model);
});
