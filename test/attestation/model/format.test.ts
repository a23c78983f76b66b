import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import { type CborValue, encodeCbor } from '../../../attestation/encoding/cbor.js';
import { sha256 } from '../../../attestation/encoding/hash.js';
import { merkleRoot } from '../../../attestation/encoding/merkle.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { encodeModel } from '../../forge/onnx.js';

/** FORMAT.md, followed by hand. */
const digest = (kind: string, content: CborValue): Uint8Array =>
  sha256(utf8(`assay/model-${kind}/v1\0`), encodeCbor(content));
const floats = (...values: number[]): Uint8Array =>
  new Uint8Array(Float32Array.from(values).buffer);

const type = { tensor: 1, shape: ['N', 2] } as const;
const model = encodeModel({
  opsets: { '': 18, local: 1 },
  functions: [
    {
      domain: 'local',
      name: 'leak',
      inputs: ['a'],
      outputs: ['b'],
      opsets: { '': 17 },
      nodes: [
        {
          op: 'LeakyRelu',
          inputs: ['a'],
          outputs: ['b'],
          attributes: { alpha: { ref: 'slope', type: 1 } },
        },
      ],
    },
  ],
  graph: {
    inputs: [{ name: 'x', type }],
    initializers: [{ name: 'w', type: 1, dims: [2, 2], floats: [1, 2, 3, 4] }],
    nodes: [
      { op: 'MatMul', inputs: ['x', 'w', ''], outputs: ['h'] },
      {
        op: 'leak',
        domain: 'local',
        inputs: ['h'],
        outputs: ['l'],
        attributes: { slope: { f: 0.5 } },
      },
      { op: 'RandomNormalLike', inputs: ['l'], outputs: ['r'] },
      {
        op: 'Split',
        inputs: ['r'],
        outputs: ['y', 'z'],
        attributes: { axis: { i: -1 }, split: { ints: [1, 1] } },
      },
    ],
    outputs: [{ name: 'z', type: { tensor: 1, shape: ['N', null] } }],
  },
});

test('FORMAT.md, followed by hand, gives the same digests', () => {
  const typeItem = (last: number | null): CborValue => ['tensor', 1, [[0], last]];
  const content: CborValue = [1, [2, 2], sha256(floats(1, 2, 3, 4))];
  const node = (
    op: string,
    version: CborValue,
    attributes: CborValue,
    inputs: CborValue,
    outputs: CborValue,
    ordinal: CborValue,
  ): Uint8Array => digest('node', [['', op, '', version], attributes, inputs, outputs, ordinal]);
  const value = (of: Uint8Array, index: number): Uint8Array => digest('value', [of, index]);

  const input = digest('input', [0, 0, typeItem(2), null]);
  const product = node('MatMul', 18, [], [input, digest('tensor', content)], [true], null);
  const body = node(
    'LeakyRelu',
    [17, 18],
    [['alpha', 1, null, 'slope']],
    [digest('parameter', 0)],
    [true],
    null,
  );
  const leak = digest('function', [1, [], [value(body, 0)]]);
  const call = digest('call', [
    leak,
    null,
    [['slope', 1, floats(0.5)]],
    [value(product, 0)],
    [true],
    null,
  ]);
  const draw = node('RandomNormalLike', 18, [], [value(call, 0)], [true], [0, 0]);
  const ones = new Uint8Array(BigInt64Array.of(1n, 1n).buffer);
  const split = node(
    'Split',
    18,
    [
      ['axis', 2, -1],
      ['split', 7, [2, sha256(ones)]],
    ],
    [value(draw, 0)],
    [true, true],
    null,
  );
  const graph = digest('graph', [
    [['x', typeItem(2), null]],
    [['z', typeItem(null)]],
    [value(split, 1)],
  ]);
  const leaf = concat(utf8('assay/model-weight/v1\0'), encodeCbor(['w', content]));
  const identity = identifyModel({ path: 'm', bytes: model });
  assert.equal(toHex(identity.graph), toHex(graph));
  assert.equal(toHex(identity.weights), toHex(merkleRoot([sha256(Uint8Array.of(0), leaf)])));
});
