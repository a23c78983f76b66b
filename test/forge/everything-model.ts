import type { ModelInit } from './onnx-init.js';

/** A type of rank 2 with an open dimension. */
export const vector = { tensor: 1, shape: ['N', 4] } as const;

/** Two inputs, a weight, a subgraph, a function and two outputs: something of everything. */
export const base: ModelInit = {
  opsets: { '': 18, 'ai.onnx.ml': 3, local: 1 },
  irVersion: 8,
  functions: [
    {
      domain: 'local',
      name: 'Scale',
      inputs: ['value'],
      outputs: ['scaled'],
      attributes: ['factor'],
      defaults: { offset: { f: 1 } },
      opsets: { '': 18 },
      nodes: [
        {
          op: 'LeakyRelu',
          inputs: ['value'],
          outputs: ['scaled'],
          attributes: { alpha: { ref: 'factor', type: 1 } },
        },
      ],
    },
  ],
  graph: {
    inputs: [
      { name: 'x', type: vector },
      { name: 'flag', type: { tensor: 9, shape: [] } },
    ],
    initializers: [
      { name: 'w', type: 1, dims: [4, 4], floats: Array.from({ length: 16 }, Math.sqrt) },
    ],
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w'], outputs: ['h'] },
      {
        op: 'Scale',
        domain: 'local',
        inputs: ['h'],
        outputs: ['s'],
        attributes: { factor: { f: 0.5 } },
      },
      {
        op: 'If',
        inputs: ['flag'],
        outputs: ['y'],
        attributes: {
          then_branch: {
            g: {
              nodes: [{ op: 'Sub', inputs: ['s', 'x'], outputs: ['t'] }],
              outputs: [{ name: 't', type: vector }],
            },
          },
          else_branch: {
            g: {
              nodes: [{ op: 'Add', inputs: ['s', 'x'], outputs: ['e'] }],
              outputs: [{ name: 'e', type: vector }],
            },
          },
        },
      },
      { op: 'Split', inputs: ['y'], outputs: ['p', 'q'], attributes: { axis: { i: 1 } } },
      { op: 'Softmax', inputs: ['p'], outputs: ['z'], attributes: { axis: { i: -1 } } },
    ],
    outputs: [
      { name: 'z', type: { tensor: 1, shape: ['N', 2] } },
      { name: 'q', type: { tensor: 1, shape: ['N', 2] } },
    ],
  },
};
