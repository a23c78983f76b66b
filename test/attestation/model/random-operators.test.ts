import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { vector } from '../../forge/everything-model.js';
import { encodeModel } from '../../forge/onnx.js';
import type { FunctionInit, GraphInit, ModelInit, NodeInit } from '../../forge/onnx-init.js';

function graphOf(model: ModelInit): string {
  return toHex(identifyModel({ path: 'model.onnx', bytes: encodeModel(model) }).graph);
}

function draws(nodes: readonly NodeInit[], functions: readonly FunctionInit[] = []): string {
  return graphOf({
    functions,
    opsets: { '': 18, local: 1, 'com.example': 1, 'com.microsoft': 1 },
    graph: { inputs: [{ name: 'x', type: vector }], nodes, outputs: [{ name: 'y' }] },
  });
}

const drawing: FunctionInit = {
  domain: 'local',
  name: 'Draw',
  inputs: ['a'],
  outputs: ['b'],
  opsets: { '': 18 },
  nodes: [{ op: 'RandomNormalLike', inputs: ['a'], outputs: ['b'] }],
};

/** What has the name of an operator of a runtime, and draws nothing itself. */
const rival = (domain: string, name: string): FunctionInit => ({
  ...drawing,
  domain,
  name,
  nodes: [{ op: 'Neg', inputs: ['a'], outputs: ['b'] }],
});

for (const [what, op, functions] of [
  ...[
    'Bernoulli',
    'Dropout',
    'Multinomial',
    'RandomNormal',
    'RandomNormalLike',
    'RandomUniform',
    'RandomUniformLike',
  ].map((op) => [`${op} nodes`, { op }, []] as const),
  ['calls of a function that draws', { op: 'Draw', domain: 'local' }, [drawing]],
  [
    'calls of a rival of a random operator',
    { op: 'RandomNormalLike' },
    [rival('', 'RandomNormalLike')],
  ],
  [
    'calls of a rival in the domain of a runtime',
    { op: 'Anything', domain: 'com.microsoft' },
    [rival('com.microsoft', 'Anything')],
  ],
  ['operators of an unknown domain', { op: 'Anything', domain: 'com.example' }, []],
] as const) {
  test(`two ${what} are not one`, () => {
    const draw = (output: string): NodeInit => ({ ...op, inputs: ['x'], outputs: [output] });
    const sum = (a: string, b: string): NodeInit => ({ op: 'Add', inputs: [a, b], outputs: ['y'] });
    const two = draws([draw('a'), draw('b'), sum('a', 'b')], functions);
    assert.notEqual(two, draws([draw('a'), sum('a', 'a')], functions));
    assert.equal(two, draws([draw('b'), draw('a'), sum('a', 'b')], functions));
  });
}

test('two calls of a function that draws nothing, and is no rival, are one value', () => {
  const call = (output: string): NodeInit => ({
    op: 'RandomNormalLike',
    domain: 'local',
    inputs: ['x'],
    outputs: [output],
  });
  const sum = (a: string, b: string): NodeInit => ({ op: 'Add', inputs: [a, b], outputs: ['y'] });
  const functions = [rival('local', 'RandomNormalLike')];
  assert.equal(
    draws([call('a'), call('b'), sum('a', 'b')], functions),
    draws([call('a'), sum('a', 'a')], functions),
  );
});

test('two equal pure nodes are one value', () => {
  const relu = (output: string): NodeInit => ({ op: 'Relu', inputs: ['x'], outputs: [output] });
  const sum = (a: string, b: string): NodeInit => ({ op: 'Add', inputs: [a, b], outputs: ['y'] });
  assert.equal(draws([relu('a'), relu('b'), sum('a', 'b')]), draws([relu('a'), sum('a', 'a')]));
});

test('what is done in each turn of a loop is not what it captures', () => {
  const looping = (outside: NodeInit[], inside: NodeInit[]): string => {
    const body: GraphInit = {
      inputs: [{ name: 'turn' }, { name: 'go' }, { name: 'sum' }],
      nodes: [...inside, { op: 'Add', inputs: ['sum', 'drawn'], outputs: ['next'] }],
      outputs: [{ name: 'go' }, { name: 'next' }],
    };
    const loop: NodeInit = {
      op: 'Loop',
      inputs: ['', '', 'x'],
      outputs: ['y'],
      attributes: { body: { g: body } },
    };
    return draws([...outside, loop]);
  };
  for (const op of ['RandomNormalLike', 'Relu']) {
    const node: NodeInit = { op, inputs: ['x'], outputs: ['drawn'] };
    assert.notEqual(looping([node], []), looping([], [node]), op);
  }
});

test('a function that is passed a subgraph may draw with each node that has it', () => {
  const run: FunctionInit = {
    domain: 'local',
    name: 'Run',
    inputs: ['a'],
    outputs: ['b'],
    attributes: ['body'],
    opsets: { '': 18 },
    nodes: [],
  };
  const branch = (output: string): NodeInit => ({
    op: 'If',
    inputs: ['a'],
    outputs: [output],
    attributes: { then_branch: { ref: 'body', type: 5 } },
  });
  const drawn: GraphInit = {
    nodes: [{ op: 'RandomNormal', inputs: [], outputs: ['r'] }],
    outputs: [{ name: 'r' }],
  };
  const call: NodeInit = {
    ...{ op: 'Run', domain: 'local', inputs: ['x'], outputs: ['y'] },
    attributes: { body: { g: drawn } },
  };
  const sum = (a: string, b: string): NodeInit => ({ op: 'Sub', inputs: [a, b], outputs: ['b'] });
  const two = [branch('c'), branch('d'), sum('c', 'd')];
  const one = [branch('c'), sum('c', 'c')];
  assert.notEqual(draws([call], [{ ...run, nodes: two }]), draws([call], [{ ...run, nodes: one }]));
});
