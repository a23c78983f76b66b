import assert from 'node:assert/strict';
import { test } from 'node:test';
import { analyseModel } from '../../../attestation/model/identity.js';
import { Scope } from '../../../attestation/model/scope.js';
import { delicateInputs } from '../../../src/admission/delicate-inputs.js';
import { trappingDivisions } from '../../../src/admission/trapping-divisions.js';
import { node, ratio, vector } from '../../forge/division-cases.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { FunctionInit, NodeInit } from '../../forge/onnx-init.js';

interface Case {
  readonly what: string;
  readonly nodes: readonly NodeInit[];
  readonly functions?: readonly FunctionInit[];
  readonly expected: readonly string[];
}

const CASES: readonly Case[] = [
  {
    what: 'what is only computed with',
    nodes: [node('Add', 'p q', 'sum'), node('Mul', 'sum p', 'y')],
    expected: [],
  },
  {
    what: 'what an operator gets that is named as a member of every object',
    nodes: [node('constructor', 'p q', 'y')],
    expected: [],
  },
  {
    what: 'what sizes are made of',
    nodes: [
      node('Add', 'q one', 'size'),
      node('ConstantOfShape', 'size', 'zeros'),
      node('ReduceSum', 'zeros', 'sum', { keepdims: 0 }),
      node('Cast', 'sum', 'wide', { to: dataType.int64 }),
      node('Add', 'p wide', 'y'),
    ],
    expected: ['q'],
  },
  {
    what: 'what only has a size that counts',
    nodes: [node('Shape', 'p', 'size'), node('Expand', 'q size', 'y')],
    expected: [],
  },
  {
    what: 'what is repeated, and how often',
    nodes: [node('Tile', 'p q', 'y')],
    expected: ['q'],
  },
  {
    what: 'regions, and of which images they are',
    nodes: [
      node('Cast', 'p', 'regions', { to: dataType.float }),
      node('RoiAlign', 'images regions q', 'y'),
    ],
    expected: ['p', 'q'],
  },
  {
    what: 'what a function makes larger',
    nodes: [node('Ratio', 'p q', 'y', {}, 'local')],
    functions: [ratio('Tile', 'u v')],
    expected: ['q'],
  },
  {
    what: 'the size that a function gives',
    nodes: [node('Ratio', 'p q', 'size', {}, 'local'), node('Tile', 'q size', 'y')],
    functions: [ratio('Add', 'u v')],
    expected: ['p', 'q'],
  },
  {
    what: 'divisions that may trap',
    nodes: [node('Div', 'p q', 'y')],
    expected: ['p', 'q'],
  },
  {
    what: 'how long frames of a signal are, by which it is divided',
    nodes: [node('STFT', 'images one - q', 'y')],
    expected: ['q'],
  },
  {
    what: 'divisions that cannot',
    nodes: [node('Div', 'p one', 'y')],
    expected: [],
  },
  {
    what: 'what no output needs',
    nodes: [node('Tile', 'p q', 'unused'), node('Add', 'p q', 'y')],
    expected: [],
  },
];

for (const { what, nodes, functions = [], expected } of CASES) {
  test(`inputs that are not tried with extremes: ${what}`, () => {
    const bytes = encodeModel({
      irVersion: 9,
      opsets: { '': 20, local: 1 },
      functions,
      graph: {
        inputs: ['p', 'q'].map((name) => ({ name, type: vector(dataType.int64) })),
        initializers: [
          { name: 'one', type: dataType.int64, dims: [1], int64s: [1n] },
          { name: 'images', type: dataType.float, dims: [1, 1, 1, 1], floats: [1] },
        ],
        nodes,
        outputs: [{ name: 'y', type: { tensor: dataType.int64 } }],
      },
    });
    const analysis = analyseModel({ path: 'm', bytes });
    assert.deepEqual(delicateInputs(analysis, trappingDivisions(analysis)), expected);
  });
}

/** Beyond what a call of JavaScript takes for arguments. */
const MANY = 130_000;

test('a size is followed to all that it is made of, however many there are', () => {
  const bytes = encodeModel({
    irVersion: 9,
    opsets: { '': 20 },
    graph: {
      inputs: ['p', 'q'].map((name) => ({ name, type: vector(dataType.int64) })),
      nodes: [node('Max', Array(MANY).fill('q').join(' '), 'size'), node('Tile', 'p size', 'y')],
      outputs: [{ name: 'y', type: { tensor: dataType.int64 } }],
    },
  });
  assert.deepEqual(delicateInputs(analyseModel({ path: 'm', bytes }), []), ['q']);
});

test('many calls of a function with much in it take linear time', { timeout: 120_000 }, () => {
  const many = (name: string): string[] => Array.from({ length: 8000 }, (_, i) => `${name}${i}`);
  const wide: FunctionInit = {
    ...ratio('Div', 'u v'),
    inputs: many('u'),
    nodes: [
      node('Max', many('u').join(' '), 'size'),
      node('Tile', 'u0 size', 'w'),
      ...many('dead').map((name) => node('Neg', 'size', name)),
    ],
  };
  const bytes = encodeModel({
    irVersion: 9,
    opsets: { '': 20, local: 1 },
    functions: [wide],
    graph: {
      inputs: ['p', 'q'].map((name) => ({ name, type: vector(dataType.int64) })),
      nodes: [
        node('Div', 'p q', 'w0'),
        ...many('w').map((name, i) => node('Ratio', name, `w${i + 1}`, {}, 'local')),
      ],
      outputs: [{ name: 'w8000', type: { tensor: dataType.int64 } }],
    },
  });
  const analysis = analyseModel({ path: 'm', bytes });
  const divisions = trappingDivisions(analysis);
  assert.deepEqual(
    divisions.map(({ op }) => op),
    ['Div'],
  );
  assert.deepEqual(delicateInputs(analysis, divisions), ['p', 'q']);
});

test('many inputs of a subgraph do not take every input of the model each', (t) => {
  const many = (name: string): string[] => Array.from({ length: 300 }, (_, i) => `${name}${i}`);
  const values = (name: string) =>
    many(name).map((each) => ({ name: each, type: vector(dataType.int64) }));
  const body = {
    inputs: values('p'),
    nodes: many('q').map((name, i) => node('Tile', `p${i} p${i}`, name)),
    outputs: values('q'),
  };
  const bytes = encodeModel({
    opsets: { '': 20 },
    graph: {
      inputs: values('x'),
      nodes: [node('Repeat', 'x0', 'y', { body: { g: body } })],
      outputs: [{ name: 'y' }],
    },
  });
  const analysis = analyseModel({ path: 'm', bytes });
  const added = t.mock.method(Set.prototype, 'add');
  assert.equal(delicateInputs(analysis, []).length, 300);
  assert.ok(added.mock.callCount() < 10_000, `${added.mock.callCount()} were added`);
});

test('many outputs of a node do not take every input of it each', (t) => {
  const many = (name: string): string[] => Array.from({ length: 300 }, (_, i) => `${name}${i}`);
  const bytes = encodeModel({
    opsets: { '': 20 },
    graph: {
      inputs: ['p', 'q'].map((name) => ({ name, type: vector(dataType.int64) })),
      nodes: [
        ...many('i').map((name) => node('Neg', 'p', name)),
        { ...node('Repeat', many('i').join(' '), ''), outputs: many('o') },
        node('Concat', many('o').join(' '), 's'),
        node('Tile', 'q s', 'r'),
        node('Div', 'r r', 'y'),
      ],
      outputs: [{ name: 'y' }],
    },
  });
  const analysis = analyseModel({ path: 'm', bytes });
  const divisions = trappingDivisions(analysis);
  assert.equal(divisions.length, 1);
  const resolved = t.mock.method(Scope.prototype, 'resolve');
  assert.deepEqual(delicateInputs(analysis, divisions), ['p', 'q']);
  assert.ok(resolved.mock.callCount() < 10_000, `${resolved.mock.callCount()} were resolved`);
});
