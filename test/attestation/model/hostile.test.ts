import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { encodeModel } from '../../forge/onnx.js';
import type {
  FunctionInit,
  GraphInit,
  ModelInit,
  NodeInit,
  TypeInit,
} from '../../forge/onnx-init.js';
import { bytes, int, message } from '../../forge/wire.js';

/** Milliseconds after which a walk that should be linear has hung. */
const timeout = 240_000;

function refuse(model: Uint8Array, code: string): void {
  assert.throws(
    () => identifyModel({ path: 'm', bytes: model }),
    (error) => {
      assert.ok(error instanceof AssayError, String(error));
      assert.equal(error.code, code, error.message);
      assert.ok(error.message.length < 600, 'a message does not quote the input at length');
      return true;
    },
  );
}

const type: TypeInit = { tensor: 1, shape: [2] };
const relu = (input: string, output: string): NodeInit => ({
  op: 'Relu',
  inputs: [input],
  outputs: [output],
});

const plain: GraphInit = {
  inputs: [{ name: 'x', type }],
  nodes: [relu('x', 'y')],
  outputs: [{ name: 'y', type }],
};

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

const ambiguous: NodeInit = {
  op: 'If',
  inputs: ['x'],
  outputs: ['y'],
  attributes: {
    then_branch: {
      g: { nodes: [relu('h', 't'), relu('x', 'h')], outputs: [{ name: 't' }] },
    },
  },
};

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
  'two functions of one name': [
    calling(functionOf('f0', relu('a', 'b')), functionOf('f0', relu('a', 'b'))),
    'MODEL_DUPLICATE_NAME',
  ],
  'a node that needs itself': [withNodes(relu('y', 'y')), 'MODEL_CYCLE'],
  'a cycle of two': [withNodes(relu('b', 'y'), relu('y', 'b')), 'MODEL_CYCLE'],
  'a dead cycle': [withNodes(relu('x', 'y'), relu('b', 'a'), relu('a', 'b')), 'MODEL_CYCLE'],
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
  'a function that calls itself': [calling(functionOf('f0', callOf('f0'))), 'MODEL_RECURSION'],
  'functions that call each other': [
    calling(functionOf('f0', callOf('f1')), functionOf('f1', callOf('f0'))),
    'MODEL_RECURSION',
  ],
  'a function that captures a value': [
    calling(functionOf('f0', relu('x', 'b'))),
    'MODEL_UNDEFINED_VALUE',
  ],
  'a reference to an attribute outside a function': [
    withNodes({ ...relu('x', 'y'), attributes: { alpha: { ref: 'alpha', type: 1 } } }),
    'MODEL_ATTRIBUTE',
  ],
  'no opset': [{ graph: plain, opsets: {} }, 'MODEL_OPSET'],
  'no opset for a domain in use': [
    withNodes({ ...relu('x', 'y'), domain: 'com.example' }),
    'MODEL_OPSET',
  ],
  'two versions of one opset': [{ graph: plain, opsets: { '': 18, 'ai.onnx': 19 } }, 'MODEL_OPSET'],
  'an opset version of zero': [{ graph: plain, opsets: { '': 0 } }, 'MODEL_OPSET'],
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

const valid = encodeModel({ graph: plain });
const nodeOf = (...fields: Parameters<typeof message>[0]) =>
  message([
    int(1, 8),
    bytes(7, message([bytes(1, message(fields)), bytes(12, message([bytes(1, 'y')]))])),
    bytes(8, message([int(2, 18)])),
  ]);
const relued = [bytes(2, 'y'), bytes(4, 'Relu')];
const attributeOf = (...fields: Parameters<typeof message>[0]) =>
  nodeOf(...relued, bytes(5, message(fields)));

const wires: Readonly<Record<string, readonly [bytes: Uint8Array, code: string]>> = {
  'no bytes': [new Uint8Array(), 'MODEL_IR_VERSION'],
  'no graph': [message([int(1, 8)]), 'MODEL_GRAPH'],
  'two graphs, which protobuf would merge': [
    message([{ number: 0, bytes: valid }, bytes(7, message([]))]),
    'MODEL_WIRE',
  ],
  'a field that ONNX does not define': [
    message([{ number: 0, bytes: valid }, int(27, 1)]),
    'MODEL_FIELD_UNKNOWN',
  ],
  'a field of the wrong wire type': [message([int(7, 1)]), 'MODEL_WIRE'],
  'a group': [Uint8Array.of(0x0b, 0x0c), 'MODEL_WIRE'],
  'field number 0': [Uint8Array.of(0x02, 0x00), 'MODEL_WIRE'],
  'a tag of six bytes': [Uint8Array.of(0xba, 0x80, 0x80, 0x80, 0x80, 0x00, 0x00), 'MODEL_WIRE'],
  'a number of eleven bytes': [
    Uint8Array.of(0x08, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01),
    'MODEL_WIRE',
  ],
  'a number of more than 64 bits': [
    Uint8Array.of(0x08, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x02),
    'MODEL_WIRE',
  ],
  'a declared length of 2^63': [
    Uint8Array.of(0x3a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f),
    'MODEL_WIRE',
  ],
  'a length one past the end': [valid.subarray(0, -1), 'MODEL_WIRE'],
  'a name that is not UTF-8': [nodeOf(bytes(2, Uint8Array.of(0xff))), 'MODEL_WIRE'],
  'a node without an operator': [nodeOf(bytes(2, 'y')), 'MODEL_NODE'],
  'an attribute without a name': [attributeOf(int(3, 1), int(20, 2)), 'MODEL_ATTRIBUTE'],
  'an attribute without a type': [attributeOf(bytes(1, 'a'), int(3, 1)), 'MODEL_ATTRIBUTE'],
  'an attribute of an unknown type': [attributeOf(bytes(1, 'a'), int(20, 15)), 'MODEL_ATTRIBUTE'],
  'an attribute of two kinds': [
    attributeOf(bytes(1, 'a'), int(3, 1), bytes(4, 's'), int(20, 2)),
    'MODEL_ATTRIBUTE',
  ],
  'an attribute whose type is not that of its value': [
    attributeOf(bytes(1, 'a'), int(3, 1), int(20, 3)),
    'MODEL_ATTRIBUTE',
  ],
  'a tensor attribute without a tensor': [
    attributeOf(bytes(1, 'a'), int(20, 4)),
    'MODEL_ATTRIBUTE',
  ],
  'an attribute twice': [
    nodeOf(
      ...relued,
      ...[1, 2].map((value) => bytes(5, message([bytes(1, 'a'), int(3, value), int(20, 2)]))),
    ),
    'MODEL_DUPLICATE_NAME',
  ],
};

for (const [what, [model, code]] of Object.entries(wires)) {
  test(`bytes with ${what} are refused`, () => refuse(model, code));
}

test('an attribute left at protobuf’s default is that value', () => {
  const explicit = attributeOf(bytes(1, 'a'), int(3, 0), int(20, 2));
  const implicit = attributeOf(bytes(1, 'a'), int(20, 2));
  const graph = (model: Uint8Array) => toHex(identifyModel({ path: 'm', bytes: model }).graph);
  assert.equal(graph(explicit), graph(implicit));
});

test('millions of empty messages are refused before they are kept', { timeout }, () => {
  const nodes = new Uint8Array(14_000_000);
  for (let at = 0; at < nodes.length; at += 7) nodes.set([0x0a, 5, 0x22, 1, 0x61, 0x12, 0], at);
  refuse(message([int(1, 8), bytes(7, nodes)]), 'MODEL_TOO_COMPLEX');
  const names = new Uint8Array(12_000_000);
  for (let at = 0; at < names.length; at += 2) names.set([0x0a, 0x00], at);
  refuse(message([int(1, 8), bytes(7, message([bytes(1, names)]))]), 'MODEL_TOO_COMPLEX');
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

test('a ModelProto that ONNX Runtime takes for a model in its own format is refused', () => {
  // The version of the IR takes two bytes, and so does the head of the producer's name.
  const model = (name: string) => encodeModel({ graph: plain, producer: [name, ''] });
  assert.equal(Buffer.from(model('ORTM').subarray(4, 8)).toString(), 'ORTM');
  refuse(model('ORTM and a whole model behind it'), 'MODEL_FORMAT');
  identifyModel({ path: 'm', bytes: model('ORT.') });
});
