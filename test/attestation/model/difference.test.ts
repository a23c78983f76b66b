import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { computationDifference } from '../../../attestation/model/difference.js';
import type { ComputationDifference } from '../../../attestation/model/differences.js';
import { analyseModel } from '../../../attestation/model/identity.js';
import { nativeSha256, nativeSha256Once } from '../../../src/system/sha256.js';
import { mutatedModel } from '../../forge/mutated-model.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { ModelInit, NodeInit, TensorInit } from '../../forge/onnx-init.js';
import { randomFrom } from '../../forge/random.js';
import { randomModel } from '../../forge/random-model.js';
import { renameValues } from '../../forge/transform-model.js';
import { fc } from '../../property.js';

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
  const analyse = (init: ModelInit) =>
    analyseModel(
      { path: 'm', bytes: encodeModel(init) },
      { sha256: nativeSha256, sha256Once: nativeSha256Once },
    );
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
          gained: 0,
        },
      },
    },
  ]);
});

/** One constant that is the output. */
const giving = (y: Omit<TensorInit, 'name'>): ModelInit => ({
  graph: { nodes: [], initializers: [{ ...y, name: 'y' }], outputs: [{ name: 'y' }] },
});

for (const [what, a, b] of [
  ['another rank', { dims: [6] }, { dims: [6, 1] }],
  ['the same elements in another shape', { dims: [2, 3] }, { dims: [3, 2] }],
  ['another size at the end', { dims: [6, 1] }, { dims: [6, 0], floats: [] }],
  ['another type', { dims: [6] }, { dims: [6], type: dataType.int32, int32s: [1, 2, 3, 4, 5, 6] }],
] as const) {
  test(`weights of ${what} have no distance`, () => {
    const floats = { type: dataType.float, floats: [1, 2, 3, 4, 5, 6] };
    const other = 'int32s' in b ? b : { ...floats, ...b };
    const { weights } = difference(giving({ ...floats, ...a }), giving(other));
    assert.deepEqual(
      weights.map(({ distance }) => distance),
      [null],
    );
  });
}

test('weights of text are told apart element by element', () => {
  const text = (...strings: readonly string[]): ModelInit =>
    giving({ type: dataType.string, dims: [strings.length], strings });
  const { weights } = difference(text('a', 'b', 'cd'), text('a', 'bc', 'd'));
  assert.deepEqual(
    weights.map(({ distance }) => distance),
    [{ elements: 3, differing: 2, first: 1, numeric: null }],
  );
});

test('of weights of less than a byte the elements are told that differ', () => {
  const packed = (...raw: readonly number[]): ModelInit => {
    const nodes = [
      node('Cast', ['w'], 'c', { attributes: { to: { i: 1 } } }),
      node('Add', ['x', 'c'], 'y'),
    ];
    const init = model(nodes);
    const w = { name: 'w', type: dataType.int4, dims: [5], raw: Uint8Array.from(raw) };
    return { ...init, graph: { ...init.graph, initializers: [w] } };
  };
  const [a, b] = [packed(0xe1, 0x43, 0x05), packed(0xe1, 0xc3, 0x05)];
  const [told] = difference(a, b).weights;
  const { differing, first, numeric } = told?.distance ?? {};
  assert.deepEqual([differing, first, numeric?.maxAbsolute], [1, 3, 8]);
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

test('symbols in a function are no difference', () => {
  const branch = (op: string, symbol: string) => ({
    g: {
      nodes: [node(op, ['a'], 't')],
      outputs: [{ name: 't', type: { tensor: 1, shape: [symbol] } }],
    },
  });
  const calling = (op: string, symbol: string): ModelInit => {
    const init = model([node('act', ['x'], 'y', { domain: 'local' })]);
    const attributes = { then_branch: branch(op, 'N'), else_branch: branch('Abs', symbol) };
    const nodes = [node('If', ['a'], 'b', { attributes })];
    return { ...init, functions: (init.functions ?? []).map((body) => ({ ...body, nodes })) };
  };
  assert.deepEqual(rows(difference(calling('Relu', 'N'), calling('Neg', 'M'))), [
    ['operator', 'Relu "t"', 'Neg "t"'],
  ]);
});

test('subgraphs are compared inside', () => {
  const h = node('Add', ['x', 'w'], 'h');
  assert.deepEqual(rows(difference(model([h, branchy('Relu')]), model([h, branchy('Neg')]))), [
    ['operator', 'Relu "t"', 'Neg "t"'],
  ]);
});

/** A call of a function with this default and opset, in the branches of an If whose output has this size. */
const called = ({ offset = 0.5, opset = 18, size = 2 }): ModelInit => {
  const [act] = base.functions ?? [];
  assert.ok(act !== undefined);
  const body = { ...act, opsets: { '': opset }, defaults: { offset: { f: offset } } };
  const output = { name: 't', type: { tensor: 1, shape: [size] } };
  const inner = { nodes: [node('act', ['x'], 't', { domain: 'local' })], outputs: [output] };
  const attributes = { then_branch: { g: inner } };
  return { ...model([node('If', ['x'], 'y', { attributes })]), functions: [body] };
};

const defaulted = (shape: readonly number[], floats: readonly number[]): ModelInit => {
  const init = model([node('Add', ['x', 'w'], 'y')]);
  const w = { name: 'w', type: 1, dims: shape, floats };
  const inputs = [...(init.graph.inputs ?? []), { name: 'w', type: { tensor: 1, shape } }];
  return { ...init, irVersion: 9, graph: { ...init.graph, inputs, initializers: [w] } };
};

const drawn = (a: string, b: string): ModelInit =>
  model([
    ...['r', 's'].map((name) => node('RandomNormalLike', ['x'], name)),
    node('Add', [a, b], 'y'),
  ]);

const functional = (opset: number): ModelInit => ({
  ...model([node('act', ['x'], 'y', { domain: 'local' })]),
  opsets: { '': opset, local: 1 },
});

const rival = (opset: number): ModelInit => {
  const init = model([node('act', ['x'], 'y', { domain: 'ai.onnx.ml' })]);
  const functions = (init.functions ?? []).map((body) => ({ ...body, domain: 'ai.onnx.ml' }));
  return { ...init, functions, opsets: { '': 18, 'ai.onnx.ml': opset } };
};

const versioned = (opsets: Readonly<Record<string, number>>): ModelInit => ({
  ...model([
    node('Relu', ['x'], 'a'),
    node('Sigmoid', ['x'], 'b'),
    node('Tanh', ['b'], 'c'),
    node('Scaler', ['x'], 'd', { domain: 'ai.onnx.ml' }),
    node('Sum', ['a', 'b', 'c', 'd'], 'y'),
  ]),
  opsets: { '': 18, 'ai.onnx.ml': 3, ...opsets },
});

/** What is told of two models that differ in one place alone. */
const told: Readonly<Record<string, readonly [ModelInit, ModelInit, readonly string[]]>> = {
  'the opset of a function': [
    called({}),
    called({ opset: 16 }),
    ['opset', 'ai.onnx of Relu "b"', '18', '16'],
  ],
  'the opset of the model, which functions are executed in': [
    called({}),
    { ...called({}), opsets: { '': 16, local: 1 } },
    ['opset', 'ai.onnx of If "y"', '18', '16'],
  ],
  'the opset of the model, of which functions alone have an operator': [
    functional(18),
    functional(16),
    ['opset', 'ai.onnx of Relu "b"', '18', '16'],
  ],
  'the opset of an operator that a runtime may have in place of a function': [
    rival(3),
    rival(2),
    ['opset', 'ai.onnx.ml of act "y"', '3', '2'],
  ],
  'the opset of many nodes, once': [
    versioned({}),
    versioned({ '': 16 }),
    ['opset', 'ai.onnx of Sum "y"', '18', '16'],
  ],
  'the opset of another domain': [
    versioned({}),
    versioned({ 'ai.onnx.ml': 2 }),
    ['opset', 'ai.onnx.ml of Scaler "d"', '3', '2'],
  ],
  'the default of an attribute of a function': [
    called({}),
    called({ offset: 0.25 }),
    ['attribute', 'offset, a default of function act', '0.5', '0.25'],
  ],
  'the type of an output of a subgraph': [
    called({}),
    called({ size: 3 }),
    [
      'value',
      'output 0 of then_branch of If "y"',
      '"t" tensor(float) [2]',
      '"t" tensor(float) [3]',
    ],
  ],
  'the type of an input with a default': [
    defaulted([2], [1, 2]),
    defaulted([1, 2], [1, 2]),
    [
      'value',
      'input 1 of Add "y"',
      'input 1 "w" tensor(float) [2], with a default',
      'input 1 "w" tensor(float) [1, 2], with a default',
    ],
  ],
  'another draw of random numbers': [
    drawn('r', 's'),
    drawn('r', 'r'),
    ['edge', 'input 1 of Add "y"', 'RandomNormalLike "s"', 'RandomNormalLike "r"'],
  ],
};

for (const [name, [a, b, expected]] of Object.entries(told)) {
  test(`${name} is told`, () => {
    const { graph, weights } = difference(a, b);
    assert.deepEqual(
      graph.map((entry) => [entry.kind, entry.at, entry.a, entry.b]),
      [expected],
    );
    assert.deepEqual(weights, []);
  });
}

const sum = (a: string, b: string) => node('Add', [a, b], 'y');
const negated = (of: string): ModelInit =>
  model([node('Neg', ['x'], 'n'), node('Abs', [of], 'p'), node('Exp', ['n'], 'q'), sum('p', 'q')]);
const capturing = (name: string): ModelInit => {
  const inner = { nodes: [node('Abs', [name], 't')], outputs: [{ name: 't' }] };
  const chosen = node('If', ['x'], 'i', { attributes: { then_branch: { g: inner } } });
  return model([node('Neg', ['x'], 'n'), chosen, sum('i', 'n')]);
};
const doubled = (a: string, b: string): ModelInit =>
  model([
    ...['x', 'w'].map((of) => node('Neg', [of], `n${of}`)),
    node('Abs', [a], 'p'),
    node('Exp', [b], 'q'),
    sum('p', 'q'),
  ]);
const scaled = (of: string): ModelInit =>
  model([
    node('LeakyRelu', ['x'], 'l', { attributes: { alpha: { f: 0.5 } } }),
    node('LeakyRelu', ['x'], 'm', { attributes: { alpha: { f: 0.25 } } }),
    node('Neg', ['l'], 'n'),
    node('Abs', [of], 'p'),
    node('Exp', ['n'], 'q'),
    sum('p', 'q'),
  ]);

/** What is told of two models of which one uses another of the values that both compute. */
const rewired: Readonly<Record<string, readonly [ModelInit, ModelInit, readonly string[][]]>> = {
  'the input of a node that others use too': [
    negated('n'),
    negated('x'),
    [['edge', 'input 0 of Abs "p"', 'Neg "n"', 'input "x"']],
  ],
  'what a subgraph captures': [
    capturing('x'),
    capturing('n'),
    [['edge', 'input 0 of Abs "t"', 'input "x"', 'Neg "n"']],
  ],
  'nodes of one operator, exchanged': [
    doubled('nx', 'nw'),
    doubled('nw', 'nx'),
    [
      ['edge', 'input 0 of Exp "q"', 'Neg "nw"', 'Neg "nx"'],
      ['edge', 'input 0 of Abs "p"', 'Neg "nx"', 'Neg "nw"'],
    ],
  ],
  'a node that others use too, in place of one of which only one has the like': [
    scaled('m'),
    scaled('n'),
    [['edge', 'input 0 of Abs "p"', 'LeakyRelu "m"', 'Neg "n"']],
  ],
};

for (const [name, [a, b, expected]] of Object.entries(rewired)) {
  test(`${name}: the edge is told, not an operator that both have`, () => {
    assert.deepEqual(
      difference(a, b).graph.map((entry) => [entry.kind, entry.at, entry.a, entry.b]),
      expected,
    );
  });
}

test('what differs behind an operator that only one has is told of its input', () => {
  const a = model([node('Split', ['x'], 's', { outputs: ['s', 'y'] })]);
  const b = model([node('Split', ['x'], 's', { outputs: ['s', 't'] }), node('Neg', ['s'], 'y')]);
  assert.deepEqual(
    difference(a, b).graph.map((entry) => [entry.kind, entry.at]),
    [
      ['operator', 'only here'],
      ['edge', 'input 0 of Neg "y"'],
    ],
  );
});

test('the opsets of two domains are both told', () => {
  const { graph } = difference(versioned({}), versioned({ '': 16, 'ai.onnx.ml': 2 }));
  assert.deepEqual(
    graph.map(({ kind, at }) => [kind, at]),
    [
      ['opset', 'ai.onnx of Sum "y"'],
      ['opset', 'ai.onnx.ml of Scaler "d"'],
    ],
  );
});

test('another default of an input is told as a weight', () => {
  const { graph, weights } = difference(defaulted([2], [1, 2]), defaulted([2], [1, 3]));
  assert.deepEqual(graph, []);
  assert.deepEqual(
    weights.map(({ a, b, distance }) => [a, b, distance?.differing]),
    [['w', 'w', 1]],
  );
});

test('of two models that are not one computation something is told, whatever they differ in', () => {
  let other = 0;
  fc.assert(
    fc.property(fc.integer(), (seed) => {
      const random = randomFrom(seed);
      const init = randomModel(random);
      const [a, b] = [init, mutatedModel(init, random)].map((each) => {
        try {
          return analyseModel({ path: 'm', bytes: encodeModel(each) });
        } catch {
          return undefined;
        }
      });
      if (a === undefined || b === undefined) return;
      const { graph, weights } = computationDifference(a, b);
      const differ = toHex(a.identity.graph) !== toHex(b.identity.graph);
      other += Number(differ);
      assert.equal(graph.length + weights.length > 0, differ);
    }),
    { numRuns: 500, seed: 20261121 },
  );
  assert.ok(other > 100, `${other} pairs differ`);
});

test('the time is bounded where every value is compared with one that takes many', {
  timeout: 120_000,
}, () => {
  const many = Array.from({ length: 30_000 }, (_, i) => `v${i}`);
  const of = (nodes: readonly NodeInit[], inputs: readonly string[]): ModelInit => ({
    opsets: { '': 21 },
    graph: {
      inputs: [{ name: 'x', type }],
      nodes: [...nodes, { op: 'Max', inputs: [...inputs], outputs: ['y'] }],
      outputs: [{ name: 'y', type }],
    },
  });
  const apart = of(
    many.map((name, i) => ({ ...node('LeakyRelu', ['x'], name), attributes: { alpha: { f: i } } })),
    many,
  );
  const wide = { ...node('Sum', [], 'v0'), inputs: many.map(() => 'x') };
  const told = difference(
    apart,
    of(
      [wide],
      many.map(() => 'v0'),
    ),
  );
  assert.ok(told.truncated);
  assert.ok(told.graph.some(({ b }) => b === 'Sum "v0"'));
});

test('calls of many functions are compared in linear time', { timeout: 120_000 }, () => {
  const many = Array.from({ length: 16_000 }, (_, i) => i);
  const calling = (more: number): ModelInit => ({
    opsets: { '': 21, d: 1 },
    functions: many.map((i) => ({
      ...{ domain: 'd', name: `f${i}`, inputs: ['a'], outputs: ['b'], opsets: { '': 21 } },
      nodes: [{ ...node('LeakyRelu', ['a'], 'b'), attributes: { alpha: { f: i + more } } }],
    })),
    graph: {
      inputs: [{ name: 'x', type }],
      nodes: many.map((i) => ({
        ...node(`f${i}`, [i === 0 ? 'x' : `v${i}`], `v${i + 1}`),
        domain: 'd',
      })),
      outputs: [{ name: `v${many.length}`, type }],
    },
  });
  assert.equal(difference(calling(0), calling(0.5)).graph.length, 100);
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
