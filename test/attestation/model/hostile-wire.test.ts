import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { encodeModel } from '../../forge/onnx.js';
import { plain, refuse } from '../../forge/plain-model.js';
import { bytes, float, int, message } from '../../forge/wire.js';

/** Milliseconds after which a walk that should be linear has hung. */
const timeout = 240_000;

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

const eight = new Uint8Array(Float32Array.of(1, 2).buffer);
/** The identity of two floats, or of one double, in such runs of packed elements. */
const packedIn = (field: 'float' | 'double', ...runs: readonly Uint8Array[]) => {
  const [type, number] = field === 'float' ? [1, 4] : [11, 10];
  const elements = runs.map((run) => bytes(number, run));
  const dims = eight.length / (field === 'float' ? 4 : 8);
  const node = message([bytes(1, 'w'), bytes(2, 'y'), bytes(4, 'Identity')]);
  const w = message([int(1, dims), int(2, type), ...elements, bytes(8, 'w')]);
  const graph = [bytes(1, node), bytes(5, w), bytes(12, message([bytes(1, 'y')]))];
  return message([int(1, 8), bytes(7, message(graph)), bytes(8, message([int(2, 18)]))]);
};

const inGraph = (field: Parameters<typeof message>[0][number]) =>
  message([int(1, 8), bytes(7, message([field])), bytes(8, message([int(2, 18)]))]);
const typed = (type: Uint8Array) =>
  inGraph(bytes(11, message([bytes(1, 'x'), bytes(2, message([bytes(1, type)]))])));
const strange = message([int(99, 1)]);
/** A field that ONNX does not define in each kind of message beside the model's own. */
const strangers: Readonly<Record<string, Uint8Array>> = {
  'a graph': inGraph(int(99, 1)),
  'a node': inGraph(bytes(1, strange)),
  'an attribute': attributeOf(int(99, 1)),
  'an initializer': inGraph(bytes(5, strange)),
  'a sparse initializer': inGraph(bytes(15, strange)),
  'an entry of external data': inGraph(bytes(5, message([bytes(13, strange)]))),
  'an input': inGraph(bytes(11, strange)),
  'a type': inGraph(bytes(11, message([bytes(1, 'x'), bytes(2, strange)]))),
  'a tensor type': typed(strange),
  'a shape': typed(message([int(1, 1), bytes(2, strange)])),
  'a dimension': typed(message([int(1, 1), bytes(2, message([bytes(1, strange)]))])),
  'an opaque type': inGraph(
    bytes(11, message([bytes(1, 'x'), bytes(2, message([bytes(7, strange)]))])),
  ),
  'a sequence type': inGraph(
    bytes(11, message([bytes(1, 'x'), bytes(2, message([bytes(4, strange)]))])),
  ),
  'a map type': inGraph(
    bytes(11, message([bytes(1, 'x'), bytes(2, message([bytes(5, strange)]))])),
  ),
  'an opset': message([int(1, 8), bytes(8, strange)]),
  'a function': message([int(1, 8), bytes(25, strange)]),
};

/** A tensor of one float with these members beside. */
const tensorOf = (...fields: Parameters<typeof message>[0]) =>
  inGraph(bytes(5, message([int(1, 1), int(2, 1), bytes(8, 'w'), ...fields])));
const inputOf = (...type: Parameters<typeof message>[0]) =>
  inGraph(bytes(11, message([bytes(1, 'x'), bytes(2, message(type))])));
const floatType = message([int(1, 1)]);
const sized = (...dimension: Parameters<typeof message>[0]) =>
  typed(message([int(1, 1), bytes(2, message([bytes(1, message(dimension))]))]));
/** The valid model, and a function that nothing calls whose node has this attribute. */
const inFunction = (...attribute: Parameters<typeof message>[0]) => {
  const node = message([bytes(2, 'b'), bytes(4, 'Op'), bytes(5, message(attribute))]);
  const opset = bytes(9, message([int(2, 18)]));
  const body = [bytes(1, 'f'), bytes(5, 'b'), bytes(7, node), opset, bytes(10, 'd')];
  return message([{ number: 0, bytes: valid }, bytes(25, message(body))]);
};

const location = (path: string) => bytes(13, message([bytes(1, 'location'), bytes(2, path)]));

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
  ...Object.fromEntries(
    Object.entries(strangers).map(([where, model]) => [
      `a field of ${where} that ONNX does not define`,
      [model, 'MODEL_FIELD_UNKNOWN'] as const,
    ]),
  ),
  'a key of external data twice': [
    inGraph(
      bytes(
        5,
        message([int(1, 1), int(2, 1), bytes(8, 'w'), location('a'), location('b'), int(14, 1)]),
      ),
    ),
    'MODEL_EXTERNAL_DATA',
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
  'packed floats that end inside one': [
    packedIn('float', eight.subarray(0, 2), eight.subarray(2)),
    'MODEL_TENSOR',
  ],
  'packed doubles that end inside one': [
    packedIn('double', eight.subarray(0, 4), eight.subarray(4)),
    'MODEL_TENSOR',
  ],
  'an attribute without a name': [attributeOf(int(3, 1), int(20, 2)), 'MODEL_ATTRIBUTE'],
  'an attribute without a type': [attributeOf(bytes(1, 'a'), int(3, 1)), 'MODEL_ATTRIBUTE'],
  'an attribute of an unknown type': [attributeOf(bytes(1, 'a'), int(20, 15)), 'MODEL_ATTRIBUTE'],
  'an attribute of two kinds, of which the last is that of its type': [
    attributeOf(bytes(1, 'a'), int(3, 1), bytes(4, 's'), int(20, 3)),
    'MODEL_ATTRIBUTE',
  ],
  'an attribute without a type or a value': [attributeOf(bytes(1, 'a')), 'MODEL_ATTRIBUTE'],
  'an attribute of a negative type': [attributeOf(bytes(1, 'a'), int(20, -1)), 'MODEL_ATTRIBUTE'],
  'an attribute of a function that has a value and is a reference': [
    inFunction(bytes(1, 'a'), int(3, 1), int(20, 2), bytes(21, 'r')),
    'MODEL_ATTRIBUTE',
  ],
  'an attribute of floats that end inside one': [
    attributeOf(bytes(1, 'a'), bytes(7, eight.subarray(1)), int(20, 6)),
    'MODEL_ATTRIBUTE',
  ],
  'external data without their data_location': [
    tensorOf(float(4, 1), location('a')),
    'MODEL_TENSOR',
  ],
  'an unknown data_location': [tensorOf(float(4, 1), int(14, 2)), 'MODEL_TENSOR'],
  'a dimension that is a size and a symbol': [sized(int(1, 3), bytes(2, 'N')), 'MODEL_TYPE'],
  'a dimension beyond 2^53': [sized(int(1, 2n ** 53n)), 'MODEL_TYPE'],
  'a type of two kinds': [inputOf(bytes(1, floatType), bytes(8, floatType)), 'MODEL_TYPE'],
  'a type that is a denotation alone': [inputOf(bytes(6, 'IMAGE')), 'MODEL_TYPE'],
  'a sequence of nothing': [inputOf(bytes(4, message([]))), 'MODEL_TYPE'],
  'a map without a key': [
    inputOf(bytes(5, message([bytes(2, message([bytes(1, floatType)]))]))),
    'MODEL_DATA_TYPE',
  ],
  'a type of unknown elements': [typed(message([int(1, 99)])), 'MODEL_DATA_TYPE'],
  'an attribute whose type is not that of its value': [
    attributeOf(bytes(1, 'a'), int(3, 1), int(20, 3)),
    'MODEL_ATTRIBUTE',
  ],
  ...Object.fromEntries(
    (['tensor', 'graph', 'sparse tensor', 'type'] as const).map((what, i) => [
      `an attribute that is a ${what}, without one`,
      [attributeOf(bytes(1, 'a'), int(20, [4, 5, 11, 13][i] ?? 0)), 'MODEL_ATTRIBUTE'] as const,
    ]),
  ),
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
  const graph = (model: Uint8Array) => toHex(identifyModel({ path: 'm', bytes: model }).graph);
  for (const [type, zero] of [
    [1, float(2, 0)],
    [2, int(3, 0)],
    [3, bytes(4, '')],
  ] as const) {
    const explicit = attributeOf(bytes(1, 'a'), zero, int(20, type));
    const implicit = attributeOf(bytes(1, 'a'), int(20, type));
    assert.equal(graph(explicit), graph(implicit));
  }
});

test('millions of empty messages are refused before they are kept', { timeout }, () => {
  const nodes = new Uint8Array(14_000_000);
  for (let at = 0; at < nodes.length; at += 7) nodes.set([0x0a, 5, 0x22, 1, 0x61, 0x12, 0], at);
  refuse(message([int(1, 8), bytes(7, nodes)]), 'MODEL_TOO_COMPLEX');
  const names = new Uint8Array(12_000_000);
  for (let at = 0; at < names.length; at += 2) names.set([0x0a, 0x00], at);
  refuse(message([int(1, 8), bytes(7, message([bytes(1, names)]))]), 'MODEL_TOO_COMPLEX');
});

test('tensors and graphs count for more than names, since more is kept of them', {
  timeout,
}, () => {
  const many = (field: number, type: number, one: readonly number[]): Uint8Array => {
    const list = new Uint8Array(900_000 * (2 + one.length));
    const each = [(field << 3) | 2, one.length, ...one];
    for (let at = 0; at < list.length; at += each.length) list.set(each, at);
    const attribute = message([bytes(1, 'a'), int(20, type)]);
    const node = message([bytes(4, 'A'), bytes(5, Buffer.concat([attribute, list]))]);
    return message([int(1, 8), bytes(7, message([bytes(1, node)]))]);
  };
  refuse(many(10, 9, [0x08, 0, 0x10, 1]), 'MODEL_TOO_COMPLEX');
  refuse(many(11, 10, []), 'MODEL_TOO_COMPLEX');
});

test('a ModelProto that ONNX Runtime takes for a model in its own format is refused', () => {
  // The version of the IR takes two bytes, and so does the head of the producer's name.
  const model = (name: string) => encodeModel({ graph: plain, producer: [name, ''] });
  assert.equal(Buffer.from(model('ORTM').subarray(4, 8)).toString(), 'ORTM');
  refuse(model('ORTM and a whole model behind it'), 'MODEL_FORMAT');
  identifyModel({ path: 'm', bytes: model('ORT.') });
});

test('packed elements in two runs are those in one', () => {
  const graph = (...runs: readonly Uint8Array[]) =>
    toHex(identifyModel({ path: 'm', bytes: packedIn('float', ...runs) }).graph);
  assert.equal(graph(eight.subarray(0, 4), eight.subarray(4)), graph(eight));
});
