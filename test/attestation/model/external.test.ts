import assert from 'node:assert/strict';
import { test } from 'node:test';
import { executableModel } from '../../../attestation/model/executable.js';
import { externalLocations } from '../../../attestation/model/external-data.js';
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

for (const [what, model] of Object.entries(places)) {
  test(`external data for ${what} is found, and none is left where a runtime would look for it`, () => {
    const bytes = encodeModel(model);
    const external = new Map([['w.bin', new Uint8Array(8)]]);
    const analysis = analyseModel({ path: 'm', bytes, external });
    assert.deepEqual(externalLocations(analysis.model), ['w.bin']);
    const executed = executableModel(analysis, external);
    assert.deepEqual(externalLocations(readModel(executed.bytes)), []);
  });
}
