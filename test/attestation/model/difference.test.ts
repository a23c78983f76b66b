import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  type ComputationDifference,
  computationDifference,
} from '../../../attestation/model/difference.js';
import { analyseModel } from '../../../attestation/model/identity.js';
import { encodeModel } from '../../forge/onnx.js';
import type { ModelInit, NodeInit } from '../../forge/onnx-init.js';
import { randomFrom, randomModel } from '../../forge/random-model.js';
import { renameValues } from '../../forge/transform-model.js';

const type = { tensor: 1, shape: [2] } as const;
const node = (op: string, inputs: string[], output: string, rest: Partial<NodeInit> = {}) => ({
  op,
  inputs,
  outputs: [output],
  ...rest,
});

function model(nodes: readonly NodeInit[], floats: readonly number[] = [1, 2]): ModelInit {
  return {
    opsets: { '': 18, local: 1 },
    functions: [
      {
        domain: 'local',
        name: 'act',
        inputs: ['a'],
        outputs: ['b'],
        opsets: { '': 18 },
        nodes: [node('Relu', ['a'], 'b')],
      },
    ],
    graph: {
      inputs: [{ name: 'x', type }],
      initializers: [{ name: 'w', type: 1, dims: [2], floats }],
      nodes,
      outputs: [{ name: 'y', type }],
    },
  };
}

function difference(a: ModelInit, b: ModelInit): ComputationDifference {
  const analyse = (init: ModelInit) => analyseModel({ path: 'm', bytes: encodeModel(init) });
  return computationDifference(analyse(a), analyse(b));
}

const branchy = (op: string): NodeInit =>
  node('If', ['h'], 'y', {
    attributes: {
      then_branch: { g: { nodes: [node(op, ['h'], 't')], outputs: [{ name: 't' }] } },
    },
  });

const base = model([
  node('Add', ['x', 'w'], 'h'),
  node('LeakyRelu', ['h'], 'y', { attributes: { alpha: { f: 0.5 } } }),
]);

const rows = ({ graph }: ComputationDifference) => graph.map(({ kind, a, b }) => [kind, a, b]);

test('models of one computation have no difference', () => {
  for (let seed = 0; seed < 20; seed++) {
    const init = randomModel(randomFrom(seed));
    assert.deepEqual(difference(init, renameValues(init)), {
      graph: [],
      weights: [],
      truncated: false,
    });
  }
});

test('an attribute is told once, with both values, whatever depends on it', () => {
  const other = model([
    node('Add', ['x', 'w'], 'h'),
    node('LeakyRelu', ['h'], 'v', { attributes: { alpha: { f: 0.25 } } }),
    node('Relu', ['v'], 'y'),
  ]);
  const longer = model([
    ...base.graph.nodes.slice(0, 1),
    node('LeakyRelu', ['h'], 'v', { attributes: { alpha: { f: 0.5 } } }),
    node('Relu', ['v'], 'y'),
  ]);
  assert.deepEqual(rows(difference(longer, other)), [['attribute', '0.5', '0.25']]);
});

test('a weight is told with how far it is', () => {
  const { graph, weights } = difference(base, {
    ...base,
    graph: { ...base.graph, initializers: [{ name: 'w', type: 1, dims: [2], floats: [1, 2.5] }] },
  });
  assert.deepEqual(graph, []);
  assert.deepEqual(weights, [
    {
      a: 'w',
      b: 'w',
      shapeOfA: 'FLOAT [2]',
      shapeOfB: 'FLOAT [2]',
      distance: {
        elements: 2,
        differing: 1,
        first: 1,
        numeric: {
          maxAbsolute: 0.5,
          meanAbsolute: 0.25,
          maxRelative: 0.25,
          meanRelative: 0.125,
          maxUlp: 2 ** 21,
          cosine: 6 / Math.sqrt(5 * 7.25),
          lost: 0,
        },
      },
    },
  ]);
});

test('an operator that only one has is told as that', () => {
  const more = model([
    node('Add', ['x', 'w'], 'h'),
    node('Neg', ['h'], 'n'),
    node('LeakyRelu', ['n'], 'y', { attributes: { alpha: { f: 0.5 } } }),
  ]);
  assert.deepEqual(rows(difference(base, more)), [['operator', null, 'Neg "n"']]);
  assert.deepEqual(rows(difference(more, base)), [['operator', 'Neg "n"', null]]);
});

test('an operator, an edge and a function body are told where they are', () => {
  const h = node('Add', ['x', 'w'], 'h');
  assert.deepEqual(
    rows(difference(model([h, node('Relu', ['h'], 'y')]), model([h, node('Neg', ['h'], 'y')]))),
    [['operator', 'Relu "y"', 'Neg "y"']],
  );
  assert.deepEqual(
    rows(difference(model([node('Add', ['x', 'w'], 'y')]), model([node('Add', ['x', 'x'], 'y')]))),
    [['value', 'constant "w" FLOAT [2]', 'input "x"']],
  );
  assert.deepEqual(
    rows(difference(model([node('Add', ['x', 'w'], 'y')]), model([node('Add', ['x'], 'y')]))),
    [['edge', 'constant "w" FLOAT [2]', null]],
  );
  const called = model([node('act', ['x'], 'y', { domain: 'local' })]);
  const functions = (called.functions ?? []).map((body) => ({
    ...body,
    nodes: [node('Elu', ['a'], 'b')],
  }));
  assert.deepEqual(rows(difference(called, { ...called, functions })), [
    ['operator', 'Relu "b"', 'Elu "b"'],
  ]);
});

test('subgraphs are compared inside', () => {
  const h = node('Add', ['x', 'w'], 'h');
  assert.deepEqual(rows(difference(model([h, branchy('Relu')]), model([h, branchy('Neg')]))), [
    ['operator', 'Relu "t"', 'Neg "t"'],
  ]);
});

test('what is told is bounded', () => {
  const long = (op: string) =>
    model(
      Array.from({ length: 300 }, (_, i) =>
        node(i % 2 === 0 ? op : 'Neg', [i === 0 ? 'x' : `v${i - 1}`], i === 299 ? 'y' : `v${i}`),
      ),
    );
  const { graph, truncated } = difference(long('Relu'), long('Elu'));
  assert.equal(graph.length, 100);
  assert.ok(truncated);
});
