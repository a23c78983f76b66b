import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { encodeModel } from '../../forge/onnx.js';
import type {
  FunctionInit,
  GraphInit,
  ModelInit,
  NodeInit,
  TypeInit,
} from '../../forge/onnx-init.js';
import { plain, refuse, relu, type } from '../../forge/plain-model.js';

/** Milliseconds after which a walk that should be linear has hung. */
const timeout = 240_000;

const withNodes = (...nodes: NodeInit[]): ModelInit => ({ graph: { ...plain, nodes } });
const calling = (...functions: FunctionInit[]): ModelInit => ({
  graph: { ...plain, nodes: [{ ...relu('x', 'y'), op: 'f0', domain: 'd' }] },
  functions,
});
const functionOf = (name: string, ...nodes: NodeInit[]): FunctionInit => ({
  domain: 'd',
  name,
  inputs: ['a'],
  outputs: ['b'],
  opsets: { '': 18 },
  nodes,
});
const callOf = (name: string): NodeInit => ({ ...relu('a', 'b'), op: name, domain: 'd' });

function nestedIf(depth: number): GraphInit {
  let graph: GraphInit = { nodes: [relu('x', 'y0')], outputs: [{ name: 'y0' }] };
  for (let level = 1; level <= depth; level++) {
    graph = {
      nodes: [
        {
          op: 'If',
          inputs: ['x'],
          outputs: [`y${level}`],
          attributes: { then_branch: { g: graph } },
        },
      ],
      outputs: [{ name: `y${level}` }],
    };
  }
  return { ...graph, inputs: [{ name: 'x', type }] };
}

function nestedType(depth: number): TypeInit {
  let nested: TypeInit = type;
  for (let level = 0; level < depth; level++) nested = { sequence: nested };
  return nested;
}

const choosing = (branch: GraphInit): NodeInit => ({
  op: 'If',
  inputs: ['x'],
  outputs: ['y'],
  attributes: { then_branch: { g: branch } },
});

const ambiguous = choosing({ nodes: [relu('h', 't'), relu('x', 'h')], outputs: [{ name: 't' }] });

/** A Scan whose body gives its own input, which ONNX Runtime does not write anywhere. */
const passing: NodeInit = {
  op: 'Scan',
  inputs: ['x'],
  outputs: ['y'],
  attributes: {
    body: { g: { inputs: [{ name: 'a', type }], nodes: [], outputs: [{ name: 'a' }] } },
    num_scan_inputs: { i: 1 },
  },
};
const twice: GraphInit = { nodes: [relu('x', 'a')], outputs: [{ name: 'a' }, { name: 'a' }] };
const branching: NodeInit = { ...choosing(twice), outputs: ['y', 'z'] };

/** `node`, for which there is a function of its name. */
const rivalled = (node: NodeInit): ModelInit => ({
  graph: { ...plain, nodes: [node] },
  functions: [{ ...functionOf(node.op, relu('a', 'b')), domain: '' }],
});

/** A call that passes the subgraphs of `node` on to it, through another function. */
function passedOn(node: NodeInit): ModelInit {
  const attributes = Object.fromEntries(
    Object.entries(node.attributes ?? {}).map(([name, value]) => [
      name,
      'g' in value ? { ref: 'inner', type: 5 } : value,
    ]),
  );
  const of = { inputs: node.inputs, outputs: node.outputs };
  const call: NodeInit = {
    ...{ ...of, op: 'inner', domain: 'd' },
    attributes: { inner: { ref: 'outer', type: 5 } },
  };
  const [subgraph = { g: twice }] = Object.values(node.attributes ?? {});
  return {
    opsets: { '': 18, d: 1 },
    graph: {
      ...plain,
      nodes: [{ ...call, op: 'outer', attributes: { outer: subgraph } }],
    },
    functions: [
      { ...functionOf('inner', { ...node, attributes }), ...of, attributes: ['inner'] },
      { ...functionOf('outer', call), ...of, attributes: ['outer'], opsets: { '': 18, d: 1 } },
    ],
  };
}

const models: Readonly<Record<string, readonly [model: ModelInit, code: string]>> = {
  'a name that nothing defines': [withNodes(relu('gone', 'y')), 'MODEL_UNDEFINED_VALUE'],
  'a dangling name in a dead node': [
    withNodes(relu('x', 'y'), relu('gone', 'z')),
    'MODEL_UNDEFINED_VALUE',
  ],
  'an output that nothing defines': [
    { graph: { ...plain, outputs: [{ name: 'gone', type }] } },
    'MODEL_UNDEFINED_VALUE',
  ],
  'two nodes that make one value': [
    withNodes(relu('x', 'y'), relu('x', 'y')),
    'MODEL_DUPLICATE_NAME',
  ],
  'a node that makes an input': [withNodes(relu('x', 'y'), relu('x', 'x')), 'MODEL_DUPLICATE_NAME'],
  'two inputs of one name': [
    { graph: { ...plain, inputs: [...(plain.inputs ?? []), { name: 'x', type }] } },
    'MODEL_DUPLICATE_NAME',
  ],
  'two outputs of one name': [
    { graph: { ...plain, outputs: [...plain.outputs, ...plain.outputs] } },
    'MODEL_DUPLICATE_NAME',
  ],
  'a function that gives one value twice': [
    {
      graph: { ...plain, nodes: [{ op: 'f', domain: 'd', inputs: ['x'], outputs: ['y', 'z'] }] },
      opsets: { '': 20, d: 1 },
      functions: [
        {
          ...{ domain: 'd', name: 'f', inputs: ['a'], outputs: ['b', 'b'], opsets: { '': 20 } },
          nodes: [relu('a', 'b')],
        },
      ],
    },
    'MODEL_DUPLICATE_NAME',
  ],
  'two initializers of one name': [
    {
      graph: {
        ...plain,
        initializers: [
          { name: 'w', type: 1, dims: [1], floats: [1] },
          { name: 'w', type: 1, dims: [1], floats: [2] },
        ],
      },
    },
    'MODEL_DUPLICATE_NAME',
  ],
  'an input without a name': [
    { graph: { ...plain, inputs: [...(plain.inputs ?? []), { name: '', type }] } },
    'MODEL_DUPLICATE_NAME',
  ],
  'a subgraph with an initializer without a name': [
    withNodes(
      choosing({
        initializers: [{ type: 1, dims: [1], floats: [1] }],
        nodes: [relu('x', 't')],
        outputs: [{ name: 't' }],
      }),
    ),
    'MODEL_DUPLICATE_NAME',
  ],
  'two functions of one name': [
    calling(functionOf('f0', relu('a', 'b')), functionOf('f0', relu('a', 'b'))),
    'MODEL_DUPLICATE_NAME',
  ],
  'a node that needs itself': [withNodes(relu('y', 'y')), 'MODEL_CYCLE'],
  'a cycle of two': [withNodes(relu('b', 'y'), relu('y', 'b')), 'MODEL_CYCLE'],
  'a dead cycle': [withNodes(relu('x', 'y'), relu('b', 'a'), relu('a', 'b')), 'MODEL_CYCLE'],
  'a dead cycle in a subgraph': [
    withNodes(
      choosing({
        nodes: [relu('x', 't'), relu('b', 'a'), relu('a', 'b')],
        outputs: [{ name: 't' }],
      }),
    ),
    'MODEL_CYCLE',
  ],
  'a dead cycle in a function': [
    calling(functionOf('f0', relu('a', 'b'), relu('d', 'c'), relu('c', 'd'))),
    'MODEL_CYCLE',
  ],
  'a subgraph that captures what its node makes': [
    withNodes({
      op: 'If',
      inputs: ['x'],
      outputs: ['y'],
      attributes: {
        then_branch: { g: { nodes: [relu('y', 't')], outputs: [{ name: 't' }] } },
      },
    }),
    'MODEL_CYCLE',
  ],
  'a name that means two values, by reader': [
    withNodes(relu('x', 'h'), ambiguous),
    'MODEL_SHADOWED_NAME',
  ],
  'a name that means two values, by reader, in a function': [
    calling(
      functionOf('f0', relu('a', 'h'), {
        op: 'If',
        inputs: ['a'],
        outputs: ['b'],
        attributes: {
          then_branch: {
            g: { nodes: [relu('h', 't'), relu('a', 'h')], outputs: [{ name: 't' }] },
          },
        },
      }),
    ),
    'MODEL_SHADOWED_NAME',
  ],
  'a function that calls itself': [calling(functionOf('f0', callOf('f0'))), 'MODEL_RECURSION'],
  'functions that call each other': [
    calling(functionOf('f0', callOf('f1')), functionOf('f1', callOf('f0'))),
    'MODEL_RECURSION',
  ],
  'functions that call each other, called by one that is not': [
    calling(
      functionOf('f0', callOf('f1')),
      functionOf('f1', callOf('f2')),
      functionOf('f2', callOf('f1')),
    ),
    'MODEL_RECURSION',
  ],
  'a function whose attribute is a graph unless a call gives one': [
    calling({
      ...functionOf('f0', relu('a', 'b')),
      defaults: { body: { g: { nodes: [], outputs: [] } } },
    }),
    'MODEL_FUNCTION',
  ],
  'a function that captures a value': [
    calling(functionOf('f0', relu('x', 'b'))),
    'MODEL_UNDEFINED_VALUE',
  ],
  'a reference to an attribute outside a function': [
    withNodes({ ...relu('x', 'y'), attributes: { alpha: { ref: 'alpha', type: 1 } } }),
    'MODEL_ATTRIBUTE',
  ],
  'a branch that gives one value twice': [withNodes(branching), 'MODEL_SUBGRAPH_OUTPUT'],
  'a branch of an If that has a rival, which gives one value twice': [
    rivalled(branching),
    'MODEL_SUBGRAPH_OUTPUT',
  ],
  'a branch that gives one value twice, and is passed on to an If': [
    passedOn(branching),
    'MODEL_SUBGRAPH_OUTPUT',
  ],
  'a Scan body that gives its own input': [withNodes(passing), 'MODEL_SUBGRAPH_OUTPUT'],
  'the body of a Scan that has a rival, which gives its own input': [
    rivalled(passing),
    'MODEL_SUBGRAPH_OUTPUT',
  ],
  'a body that gives its own input, and is passed on to a Scan': [
    passedOn(passing),
    'MODEL_SUBGRAPH_OUTPUT',
  ],
  'no opset': [{ graph: plain, opsets: {} }, 'MODEL_OPSET'],
  'no opset for a domain in use': [
    withNodes({ ...relu('x', 'y'), domain: 'com.example' }),
    'MODEL_OPSET',
  ],
  'two versions of one opset': [{ graph: plain, opsets: { '': 18, 'ai.onnx': 19 } }, 'MODEL_OPSET'],
  'an opset version of zero': [{ graph: plain, opsets: { '': 0 } }, 'MODEL_OPSET'],
  'an opset version beyond 2^53': [{ graph: plain, opsets: { '': 2 ** 53 } }, 'MODEL_OPSET'],
  'a function without a name': [calling(functionOf('', relu('a', 'b'))), 'MODEL_FUNCTION'],
  'an IR version before 3': [{ graph: plain, irVersion: 2 }, 'MODEL_IR_VERSION'],
  'an IR version that is not published': [{ graph: plain, irVersion: 15 }, 'MODEL_IR_VERSION'],
  'no outputs': [{ graph: { ...plain, outputs: [] } }, 'MODEL_GRAPH'],
  'an input without a type': [{ graph: { ...plain, inputs: [{ name: 'x' }] } }, 'MODEL_GRAPH'],
  'subgraphs nested 33 deep': [{ graph: nestedIf(33) }, 'MODEL_TOO_DEEP'],
  'types nested 9 deep': [
    { graph: { ...plain, inputs: [{ name: 'x', type: nestedType(9) }] } },
    'MODEL_TYPE',
  ],
  'a rank of 257': [
    {
      graph: { ...plain, inputs: [{ name: 'x', type: { tensor: 1, shape: Array(257).fill(1) } }] },
    },
    'MODEL_TYPE',
  ],
  'a name of more than 64 KiB': [
    withNodes({ ...relu('x', 'y'), name: 'n'.repeat(65_537) }),
    'MODEL_WIRE',
  ],
};

for (const [what, [model, code]] of Object.entries(models)) {
  test(`a model with ${what} is refused`, () => refuse(encodeModel(model), code));
}

test('the IR versions from 3 to 14 are known', () => {
  for (const irVersion of [3, 14]) {
    const bytes = encodeModel({ graph: plain, irVersion });
    assert.equal(identifyModel({ path: 'm', bytes }).irVersion, irVersion);
  }
});

test('a chain of 50,000 nodes is identified, in any order', { timeout }, () => {
  const nodes = Array.from({ length: 50_000 }, (_, index) =>
    relu(index === 0 ? 'x' : `v${index - 1}`, index === 49_999 ? 'y' : `v${index}`),
  );
  const [forward, backward] = [nodes, nodes.toReversed()].map((order) =>
    toHex(identifyModel({ path: 'm', bytes: encodeModel(withNodes(...order)) }).graph),
  );
  assert.equal(forward, backward);
});

test('a doubling of values, of calls and of subgraphs takes linear time', { timeout }, () => {
  const doubled = Array.from({ length: 2000 }, (_, index): NodeInit => {
    const from = index === 0 ? 'x' : `v${index - 1}`;
    return { op: 'Add', inputs: [from, from], outputs: [index === 1999 ? 'y' : `v${index}`] };
  });
  identifyModel({ path: 'm', bytes: encodeModel(withNodes(...doubled)) });
  const chain = Array.from({ length: 2000 }, (_, index) =>
    functionOf(
      `f${index}`,
      ...(index === 1999
        ? [relu('a', 'b')]
        : [
            { ...callOf(`f${index + 1}`), outputs: ['c'] },
            { ...callOf(`f${index + 1}`), inputs: ['c'] },
          ]),
    ),
  );
  identifyModel({ path: 'm', bytes: encodeModel(calling(...chain)) });
  identifyModel({ path: 'm', bytes: encodeModel({ graph: nestedIf(32) }) });
});

const abs = { inputs: ['a'], outputs: ['b'], nodes: [relu('a', 'b')], opsets: { '': 21 } };

const named: Record<string, readonly [NodeInit, FunctionInit]> = {
  // ONNX Runtime knows both of the first two functions as `a:b:c`.
  'a colon in its name': [
    { op: 'b:c', domain: 'a', inputs: ['x'], outputs: ['y'] },
    { domain: 'a', name: 'b:c', ...abs },
  ],
  'a colon in its domain': [relu('x', 'y'), { domain: 'a:b', name: 'c', ...abs }],
  'a colon in its overload': [relu('x', 'y'), { domain: 'a', name: 'b', overload: 'c:d', ...abs }],
  // ONNX Runtime takes its attribute for the value of an initializer, and never calls the function.
  'the name Constant': [
    {
      op: 'Constant',
      domain: 'a',
      inputs: [],
      outputs: ['c'],
      attributes: { value: { t: { type: 1, dims: [2], floats: [7, 8] } } },
    },
    { ...abs, domain: 'a', name: 'Constant', inputs: [] },
  ],
};

for (const [what, [node, body]] of Object.entries(named)) {
  test(`a function with ${what}, which a runtime takes for another one, is refused`, () => {
    const opsets = { '': 21, a: 1 };
    const graph = { ...plain, nodes: [node, ...(node.op === 'Relu' ? [] : [relu('x', 'z')])] };
    refuse(encodeModel({ opsets, functions: [body], graph }), 'MODEL_NODE');
  });
}
