import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { writeElements } from '../../forge/elements.js';
import { base, vector } from '../../forge/everything-model.js';
import { encodeModel } from '../../forge/onnx.js';
import type { FunctionInit, GraphInit, ModelInit, NodeInit } from '../../forge/onnx-init.js';
import { randomFrom } from '../../forge/random.js';
import { randomModel } from '../../forge/random-model.js';
import { mapTensors } from '../../forge/transform-model.js';
import { fc } from '../../property.js';

function graphOf(model: ModelInit): string {
  return toHex(identifyModel({ path: 'model.onnx', bytes: encodeModel(model) }).graph);
}

function node(at: number, change: (node: NodeInit) => NodeInit): ModelInit {
  const nodes = base.graph.nodes.map((init, index) => (index === at ? change(init) : init));
  return { ...base, graph: { ...base.graph, nodes } };
}

function graph(change: Partial<GraphInit>): ModelInit {
  return { ...base, graph: { ...base.graph, ...change } };
}

function scale(change: (body: FunctionInit) => FunctionInit): ModelInit {
  return { ...base, functions: (base.functions ?? []).map(change) };
}

function branch(name: 'then_branch' | 'else_branch', change: (graph: GraphInit) => GraphInit) {
  return node(2, (init) => {
    const value = init.attributes?.[name];
    if (value === undefined || !('g' in value)) throw new Error('no such branch');
    return { ...init, attributes: { ...init.attributes, [name]: { g: change(value.g) } } };
  });
}

const [x, flag] = base.graph.inputs ?? [];
const [z, q] = base.graph.outputs;
if (x === undefined || flag === undefined || z === undefined || q === undefined) throw new Error();

const changes: Readonly<Record<string, ModelInit>> = {
  'an edge': node(0, (init) => ({ ...init, inputs: ['x', 'x'] })),
  'the order of inputs': node(0, (init) => ({ ...init, inputs: ['w', 'x'] })),
  'an operator': node(4, (init) => ({ ...init, op: 'LogSoftmax' })),
  'an operator domain': node(4, (init) => ({ ...init, domain: 'ai.onnx.ml' })),
  'an attribute': node(4, (init) => ({ ...init, attributes: { axis: { i: 1 } } })),
  'the type of an attribute': node(4, (init) => ({ ...init, attributes: { axis: { f: -1 } } })),
  'the name of an attribute': node(4, (init) => ({ ...init, attributes: { axes: { i: -1 } } })),
  'an attribute more': node(4, (init) => ({
    ...init,
    attributes: { axis: { i: -1 }, other: { i: 0 } },
  })),
  'which output is used': node(4, (init) => ({ ...init, inputs: ['q'] })),
  'the number of outputs': node(3, (init) => ({ ...init, outputs: ['p', 'q', 'r'] })),
  'an omitted output': node(3, (init) => ({ ...init, outputs: ['p', 'q', ''] })),
  'an omitted input before others': node(0, (init) => ({ ...init, inputs: ['x', '', 'w'] })),
  'the opset version': { ...base, opsets: { ...base.opsets, '': 19 } },
  'the opset version in a function': scale((body) => ({ ...body, opsets: { '': 17 } })),
  'an attribute of a call': node(1, (init) => ({ ...init, attributes: { factor: { f: 0.25 } } })),
  'an attribute default': scale((body) => ({ ...body, defaults: { offset: { f: 2 } } })),
  'the body of a function': scale((body) => ({
    ...body,
    nodes: body.nodes.map((init) => ({ ...init, op: 'Elu' })),
  })),
  'an attribute reference': scale((body) => ({
    ...body,
    nodes: body.nodes.map((init) => ({
      ...init,
      attributes: { alpha: { ref: 'offset', type: 1 } },
    })),
  })),
  'an operator in a subgraph': branch('then_branch', (inner) => ({
    ...inner,
    nodes: inner.nodes.map((init) => ({ ...init, op: 'Mul' })),
  })),
  'a captured value': branch('then_branch', (inner) => ({
    ...inner,
    nodes: inner.nodes.map((init) => ({ ...init, inputs: ['h', 'x'] })),
  })),
  'the shape of a subgraph output': branch('else_branch', (inner) => ({
    ...inner,
    outputs: [{ name: 'e', type: { tensor: 1, shape: ['N', 5] } }],
  })),
  'branches exchanged': node(2, (init) => {
    const { then_branch, else_branch } = init.attributes ?? {};
    if (then_branch === undefined || else_branch === undefined) throw new Error();
    return { ...init, attributes: { then_branch: else_branch, else_branch: then_branch } };
  }),
  'the order of outputs': graph({ outputs: [q, z] }),
  'an output less': graph({ outputs: [z] }),
  'the name of an output': graph({
    nodes: base.graph.nodes.map((init) => ({
      ...init,
      outputs: init.outputs.map((name) => (name === 'z' ? 'zz' : name)),
    })),
    outputs: [{ ...z, name: 'zz' }, q],
  }),
  'the order of inputs of the model': graph({ inputs: [flag, x] }),
  'the element type of an input': graph({
    inputs: [{ ...x, type: { tensor: 10, shape: ['N', 4] } }, flag],
  }),
  'the shape of an input': graph({
    inputs: [{ ...x, type: { tensor: 1, shape: ['N', 5] } }, flag],
  }),
  'the rank of an input': graph({ inputs: [{ ...x, type: { tensor: 1 } }, flag] }),
  'an unused input': graph({ inputs: [x, flag, { name: 'unused', type: vector }] }),
  'which dimensions are equal': graph({
    outputs: [{ ...z, type: { tensor: 1, shape: ['M', 2] } }, q],
  }),
  'a weight that callers may override': graph({
    inputs: [x, flag, { name: 'w', type: { tensor: 1, shape: [4, 4] } }],
  }),
  'the shape of a weight': graph({
    initializers: (base.graph.initializers ?? []).map((tensor) => ({ ...tensor, dims: [2, 8] })),
  }),
  'the type of a weight, with the same bytes': graph({
    initializers: (base.graph.initializers ?? []).map((tensor) => ({
      name: 'w',
      type: 6,
      dims: [4, 4],
      raw: writeElements(tensor) ?? new Uint8Array(),
    })),
  }),
};

test('each change of the computation gives a graph digest of its own', () => {
  const seen = new Map([[graphOf(base), 'nothing']]);
  for (const [change, model] of Object.entries(changes)) {
    const digest = graphOf(model);
    assert.equal(seen.get(digest), undefined, `${change} gives the digest of ${seen.get(digest)}`);
    seen.set(digest, change);
  }
});

const same: Readonly<Record<string, ModelInit>> = {
  'the name of a symbol': graph({
    inputs: [{ ...x, type: { tensor: 1, shape: ['batch', 4] } }, flag],
    outputs: [z, q].map((value) => ({ ...value, type: { tensor: 1, shape: ['batch', 2] } })),
    nodes: base.graph.nodes.map((init) => ({
      ...init,
      attributes: Object.fromEntries(
        Object.entries(init.attributes ?? {}).map(([name, value]) => [
          name,
          'g' in value
            ? {
                g: {
                  ...value.g,
                  outputs: value.g.outputs.map((output) => ({
                    ...output,
                    type: { tensor: 1, shape: ['batch', 4] },
                  })),
                },
              }
            : value,
        ]),
      ),
    })),
  }),
  'the name of a function': {
    ...node(1, (init) => ({ ...init, op: 'Renamed' })),
    functions: (base.functions ?? []).map((body) => ({ ...body, name: 'Renamed' })),
  },
  'an omitted input at the end': node(0, (init) => ({ ...init, inputs: ['x', 'w', ''] })),
  'ai.onnx for the empty domain': {
    ...node(4, (init) => ({ ...init, domain: 'ai.onnx' })),
    opsets: { 'ai.onnx': 18, local: 1 },
  },
  'a Constant node for an initializer': graph({
    initializers: [],
    nodes: [
      ...(base.graph.initializers ?? []).map((tensor) => ({
        op: 'Constant',
        inputs: [],
        outputs: ['w'],
        attributes: { value: { t: tensor } },
      })),
      ...base.graph.nodes,
    ],
  }),
  'a weight listed as an input before IR version 4': {
    ...graph({ inputs: [x, { name: 'w', type: { tensor: 1, shape: [4, 4] } }, flag] }),
    irVersion: 3,
  },
};

for (const [change, model] of Object.entries(same)) {
  test(`${change} does not change the graph digest`, () => {
    assert.equal(graphOf(model), graphOf(base));
  });
}

test('from IR version 4 on, callers may override a weight that is listed as an input', () => {
  const listed = changes['a weight that callers may override'] ?? base;
  assert.equal(graphOf({ ...listed, irVersion: 4 }), graphOf(listed));
});

test('names of a branch may be those of values around it, which it does not read', () => {
  const named = (constant: string, inner: string, output: string): ModelInit =>
    branch('then_branch', (of) => ({
      initializers: [{ name: constant, type: 1, dims: [1], floats: [2] }],
      nodes: [
        { op: 'Mul', inputs: ['s', constant], outputs: [inner] },
        { op: 'Sub', inputs: [inner, 'x'], outputs: [output] },
      ],
      outputs: of.outputs.map((value) => ({ ...value, name: output })),
    }));
  assert.equal(graphOf(named('w', 'h', 'q')), graphOf(named('c', 'i', 't')));
});

test('one bit of any weight that is used changes both digests', () => {
  fc.assert(
    fc.property(fc.integer(), fc.nat(), (seed, at) => {
      const model = randomModel(randomFrom(seed));
      let flips = 0;
      const changed = mapTensors(model, (tensor) => {
        const raw = writeElements(tensor);
        if (raw === null || raw.length === 0) return tensor;
        const flipped = new Uint8Array(raw);
        const bit = at % (raw.length * 8);
        flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
        flips += 1;
        const { name, type, dims } = tensor;
        return { ...(name === undefined ? {} : { name }), type, dims, raw: flipped };
      });
      // An output that is nothing but a weight keeps them all in use.
      const use = (init: ModelInit): ModelInit => ({
        ...init,
        graph: {
          ...init.graph,
          nodes: [
            ...init.graph.nodes,
            {
              op: 'Use',
              domain: 'local',
              inputs: (init.graph.initializers ?? []).map(({ name }) => name ?? ''),
              outputs: ['used'],
            },
          ],
          outputs: [...init.graph.outputs, { name: 'used' }],
        },
      });
      const identify = (init: ModelInit) =>
        identifyModel({ path: 'model.onnx', bytes: encodeModel(use(init)) });
      const isWeight = (init: ModelInit) =>
        (init.graph.initializers ?? []).some((tensor) => (writeElements(tensor)?.length ?? 0) > 0);
      if (flips === 0 || !isWeight(model)) return;
      const [a, b] = [identify(model), identify(changed)];
      assert.notEqual(toHex(a.graph), toHex(b.graph));
      assert.notEqual(toHex(a.weights), toHex(b.weights));
    }),
    { numRuns: 150, seed: 20261121 },
  );
});

/** Models that differ in one constant alone, and where that is. */
const places: Readonly<Record<string, (constant: number) => ModelInit>> = {
  'an initializer': (c) => keeping({ initializers: [dense(c)] }),
  'a sparse initializer': (c) => keeping({ sparse: [thin(c)] }),
  'a Constant': (c) => keeping({ nodes: [given(c)] }),
  'an initializer of a subgraph': (c) => keeping(around({ initializers: [dense(c)] })),
  'a sparse initializer of a subgraph': (c) => keeping(around({ sparse: [thin(c)] })),
  'a Constant of a subgraph': (c) => keeping(around({ nodes: [given(c)] })),
  'a subgraph of a subgraph': (c) => keeping(around(around({ initializers: [dense(c)] }))),
  'a Constant of a function': (c) => keeping({}, [given(c)]),
  'a subgraph of a function': (c) => keeping({}, around({ sparse: [thin(c)] }).nodes),
};

const dense = (constant: number) => ({ name: 'c', type: 1, dims: [1], floats: [constant] });
const thin = (constant: number) => ({
  values: dense(constant),
  indices: { type: 7, dims: [1], int64s: [1] },
  dims: [3],
});
const given = (constant: number): NodeInit => ({
  op: 'Constant',
  inputs: [],
  outputs: ['c'],
  attributes: { value: { t: dense(constant) } },
});
/** A graph with a node that has this as its subgraph. */
const around = (inner: Partial<GraphInit>) => ({
  nodes: [
    {
      op: 'If',
      inputs: ['x'],
      outputs: ['d'],
      attributes: { then_branch: { g: { nodes: [], outputs: [{ name: 'c' }], ...inner } } },
    },
  ],
  outputs: [{ name: 'd' }],
});
/** A model of one input that has all this, and a function of these nodes. */
const keeping = (inner: Partial<GraphInit>, nodes: readonly NodeInit[] = []): ModelInit => ({
  graph: {
    nodes: [],
    ...inner,
    inputs: [{ name: 'x', type: vector }],
    outputs: [{ name: 'x' }],
  },
  functions: [
    { domain: 'local', name: 'F', inputs: ['x'], outputs: ['x'], opsets: { '': 21 }, nodes },
  ],
});

for (const [place, of] of Object.entries(places)) {
  test(`the weights have what is in ${place}`, () => {
    const [one, two] = [1, 2].map((constant) =>
      identifyModel({ path: 'm', bytes: encodeModel(of(constant)) }),
    );
    assert.notDeepEqual(one?.weights, two?.weights);
    assert.equal(one?.parameters.tensors, 1);
  });
}
