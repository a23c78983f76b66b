import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import { type CborValue, encodeCbor } from '../../../attestation/encoding/cbor.js';
import { sha256 } from '../../../attestation/encoding/hash.js';
import { merkleRoot } from '../../../attestation/encoding/merkle.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { digest, float, floats, longs, node, value } from '../../forge/graph-digest.js';
import { encodeModel } from '../../forge/onnx.js';
import type { GraphInit, ValueInit } from '../../forge/onnx-init.js';

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
        { op: 'RandomNormalLike', inputs: ['a'], outputs: ['n'] },
        {
          op: 'LeakyRelu',
          inputs: ['n'],
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
  const typeItem = (last: number | null): CborValue => float([0], last);
  const content: CborValue = [1, [2, 2], sha256(floats(1, 2, 3, 4))];
  const input = digest('input', [0, 0, typeItem(2), null]);
  const product = node('MatMul', 18, [], [input, digest('tensor', content)], [true], null);
  const noise = node('RandomNormalLike', [17, 18], [], [digest('parameter', 0)], [true], [0, 0]);
  const body = node(
    'LeakyRelu',
    [17, 18],
    [['alpha', 1, null, 'slope']],
    [value(noise, 0)],
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
    [0, 0],
  ]);
  const draw = node('RandomNormalLike', 18, [], [value(call, 0)], [true], [1, 0]);
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

test('FORMAT.md numbers the symbols of subgraphs as the code does, and nodes in the order of need', () => {
  const shaped = (name: string, ...shape: (string | null)[]): ValueInit => ({
    name,
    type: { tensor: 1, shape },
  });
  // In the body: what `neg` needs is digested first, so I comes before S; C only where Loop itself is. The
  // branch's output is an input of the body, which no node has used: its own type T comes before that's, D.
  const branch: GraphInit = {
    nodes: [{ op: 'RandomNormalLike', inputs: ['s'], outputs: ['drawn'] }],
    outputs: [shaped('d', 'T'), shaped('drawn', 'U')],
  };
  const body: GraphInit = {
    inputs: [shaped('i', 'I'), shaped('c', 'C'), shaped('d', 'D'), shaped('s', 'S', 'N')],
    nodes: [
      { op: 'Add', inputs: ['s', 'neg'], outputs: ['sum'] },
      { op: 'Neg', inputs: ['i'], outputs: ['neg'] },
      {
        op: 'Local',
        domain: 'com.example',
        inputs: ['sum'],
        outputs: ['e', 'f'],
        attributes: {
          z: { tp: { tensor: 1, shape: ['Z'] } },
          branches: { graphs: [branch] },
          a: { t: { type: 1, dims: [1], floats: [3] } },
        },
      },
    ],
    outputs: [shaped('c', 'P'), { name: 'e' }, shaped('f', 'Q', 'S')],
  };
  const bytes = encodeModel({
    opsets: { '': 21, 'com.example': 1 },
    graph: {
      inputs: [shaped('m'), shaped('x', 'N')],
      sparse: [
        {
          values: { name: '\u{ff61}', type: 1, dims: [1], floats: [7] },
          indices: { type: 7, dims: [1], int64s: [2] },
          dims: [4],
        },
      ],
      nodes: [
        { op: 'Constant', inputs: [], outputs: ['\u{1f600}'], attributes: { value_int: { i: 5 } } },
        {
          op: 'Loop',
          inputs: ['m', '', 'x', '\u{1f600}', '\u{ff61}'],
          outputs: ['', 'y'],
          attributes: { body: { g: body } },
        },
      ],
      outputs: [shaped('y', 'N', 'M')],
    },
  });

  const [n, m, i, s, t, d] = [[0], [1], [2], [3], [4], [5]] as const;
  const [u, z, c, p, q] = [[6], [7], [8], [9], [10]] as const;
  const inner = (position: number, type: CborValue): Uint8Array =>
    digest('input', [1, position, type, null]);
  const neg = node('Neg', 21, [], [inner(0, float(i))], [true], 1);
  const sum = node('Add', 21, [], [inner(3, float(s, n)), value(neg, 0)], [true], 1);
  const drawn = node('RandomNormalLike', 21, [], [inner(3, float(s, n))], [true], [0, 2]);
  const branches = digest('subgraph', [
    [],
    [
      [float(t), inner(2, float(d)), 'd'],
      [float(u), value(drawn, 0), 'drawn'],
    ],
  ]);
  const three = digest('tensor', [1, [1], sha256(floats(3))]);
  const local = digest('node', [
    ['com.example', 'Local', '', 1],
    [
      ['a', 4, [three]],
      ['branches', 10, [branches]],
      ['z', 13, [float(z)]],
    ],
    [value(sum, 0)],
    [true, true],
    [1, 1],
  ]);
  const subgraph = digest('subgraph', [
    [
      [float(i), null, null],
      [float(c), null, null],
      [float(d), null, null],
      [float(s, n), null, null],
    ],
    [
      [float(p), inner(1, float(c)), null],
      [null, value(local, 0), null],
      [float(q, s), value(local, 1), null],
    ],
  ]);
  const five: CborValue = [7, [], sha256(longs(5n))];
  const seven: CborValue = [1, [4], sha256(floats(7)), sha256(longs(2n))];
  const outer = (position: number, type: CborValue): Uint8Array =>
    digest('input', [0, position, type, null]);
  const loop = node(
    'Loop',
    21,
    [['body', 5, [subgraph]]],
    [outer(0, float()), null, outer(1, float(n)), digest('tensor', five), digest('sparse', seven)],
    [false, true],
    null,
  );
  const graph = digest('graph', [
    [
      ['m', float(), null],
      ['x', float(n), null],
    ],
    [['y', float(n, m)]],
    [value(loop, 1)],
  ]);
  const leaf = (item: CborValue): Uint8Array =>
    sha256(Uint8Array.of(0), utf8('assay/model-weight/v1\0'), encodeCbor(item));
  const identity = identifyModel({ path: 'm', bytes });
  assert.equal(toHex(identity.graph), toHex(graph));
  // By UTF-8: UTF-16 has the surrogates of U+1F600 before U+FF61.
  const weights = merkleRoot([leaf(['\u{ff61}', seven]), leaf(['\u{1f600}', five])]);
  assert.equal(toHex(identity.weights), toHex(weights));
});

for (const [domain, isRival] of [
  ['', true],
  ['ai.onnx.ml', true],
  ['ai.onnx.any', true],
  ['com.microsoft', true],
  ['com.microsoft.nchwc', true],
  ['com.ms', true],
  ['com.ms.internal', true],
  ['org.pytorch.aten', true],
  ['org.pytorch', false],
  ['com.microsofts', false],
  ['local', false],
] as const) {
  test(`FORMAT.md has "${domain}" ${isRival ? 'among' : 'not among'} the domains of runtimes`, () => {
    const bytes = encodeModel({
      opsets: { '': 21, ...(domain === '' ? {} : { [domain]: 3 }) },
      functions: [{ domain, name: 'F', inputs: ['a'], outputs: ['a'], opsets: {}, nodes: [] }],
      graph: {
        inputs: [{ name: 'x', type: { tensor: 1, shape: [] } }],
        nodes: [{ op: 'F', domain, inputs: ['x'], outputs: ['y'] }],
        outputs: [{ name: 'y' }],
      },
    });
    const version = domain === '' ? 21 : 3;
    const pure = domain === '' || domain === 'ai.onnx.ml' || !isRival;
    const call = digest('call', [
      digest('function', [1, [], [digest('parameter', 0)]]),
      isRival ? [domain, 'F', '', version] : null,
      [],
      [digest('input', [0, 0, float(), null])],
      [true],
      pure ? null : [0, 0],
    ]);
    const graph = digest('graph', [[['x', float(), null]], [['y', null]], [value(call, 0)]]);
    assert.equal(toHex(identifyModel({ path: 'm', bytes }).graph), toHex(graph));
  });
}
