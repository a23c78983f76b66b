import assert from 'node:assert/strict';
import { test } from 'node:test';
import { analyseModel } from '../../../attestation/model/identity.js';
import { staticFindings } from '../../../src/admission/static-rules.js';
import { node } from '../../forge/division-cases.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { NodeInit, ValueInit } from '../../forge/onnx-init.js';

const { float, int64 } = dataType;

const input = (name: string, tensor: number, shape?: readonly (number | string)[]): ValueInit => ({
  name,
  type: shape === undefined ? { tensor } : { tensor, shape },
});

const INPUTS: readonly ValueInit[] = [
  input('flat', float, ['b', 'n']),
  input('real', float, ['b', 'n', 1]),
  input('complex', float, ['b', 'n', 2]),
  input('either', float, ['b', 'n', 'c']),
  input('unranked', float),
  input('window', float, ['k']),
  input('axes', int64, [1]),
  input('heads', float, ['b', 2, 'n', 4]),
  input('odd', float, ['b', 2, 'n', 5]),
  input('square', float, ['b', 4, 4]),
  input('oblong', float, ['b', 4, 3]),
];

const stft = (signal: string): NodeInit => node('STFT', `${signal} step window`, 'y');
const inverse = (matrix: string): NodeInit => node('Inverse', matrix, 'y', {}, 'com.microsoft');
const chain = (length: number): readonly NodeInit[] => [
  node('Identity', 'real', 'c0'),
  ...Array.from({ length }, (_, i) => node('Identity', `c${i}`, `c${i + 1}`)),
];

const rotate = (heads: string, attributes: Readonly<Record<string, number>> = {}): NodeInit =>
  node('RotaryEmbedding', `${heads} axes window window`, 'y', attributes, 'com.microsoft');

const ADMITTED: Readonly<Record<string, readonly NodeInit[]>> = {
  'a signal of two axes': [stft('flat')],
  'a real signal': [stft('real')],
  'a complex signal without a window': [node('STFT', 'complex step - step', 'y')],
  'a signal that gets an axis': [node('Unsqueeze', 'flat last', 's'), stft('s')],
  'a signal that gets an axis and is filled up and loses it': [
    node('Unsqueeze', 'flat middle', 'wide'),
    node('Pad', 'wide pads', 'padded', { mode: { s: 'reflect' } }),
    node('Squeeze', 'padded middle', 's'),
    stft('s'),
  ],
  'a signal in a shape by constants': [node('Reshape', 'unranked shape', 's'), stft('s')],
  'a signal in a shape of parts': [
    node('Shape', 'flat', 'sizes'),
    node('Concat', 'sizes last_size', 'parts', { axis: 0 }),
    node('Reshape', 'either parts', 's'),
    stft('s'),
  ],
  'a signal that is made louder': [
    node('Cast', 'real', 'wide', { to: float }),
    node('Mul', 'wide gain', 's'),
    stft('s'),
  ],
  'signals one behind the other': [node('Concat', 'real real', 's', { axis: 1 }), stft('s')],
  'a signal through many operators': [...chain(100), stft('c100')],
  'heads of an even size': [rotate('heads')],
  'an even number of heads of an even size, side by side': [rotate('square', { num_heads: 2 })],
  'heads of any size, as a whole': [rotate('either')],
  'heads of which a part is rotated': [rotate('either', { num_heads: 2, rotary_embedding_dim: 2 })],
  'heads that are calculated': [node('Softmax', 'either', 's'), rotate('s', { num_heads: 2 })],
  'square matrices': [inverse('square')],
  'square matrices that are products': [
    node('MatMul', 'oblong oblong', 'm'),
    node('Reshape', 'm squares', 'r'),
    node('MatMul', 'r square', 'p'),
    node('Add', 'p square', 's'),
    inverse('s'),
  ],
};

const REFUSED: Readonly<Record<string, readonly NodeInit[]>> = {
  'a complex signal': [stft('complex')],
  'a signal that callers may make complex': [stft('either')],
  'a signal of as many axes as a caller says': [stft('unranked')],
  'a signal with an axis where a caller says': [node('Unsqueeze', 'flat axes', 's'), stft('s')],
  'a signal in a shape that a caller says': [node('Reshape', 'flat axes', 's'), stft('s')],
  'a signal in the shape of pairs': [
    node('Shape', 'flat', 'sizes'),
    node('Concat', 'sizes middle_size', 'parts', { axis: 0 }),
    node('Reshape', 'either parts', 's'),
    stft('s'),
  ],
  'real and imaginary parts side by side': [
    node('Concat', 'real real', 's', { axis: -1 }),
    stft('s'),
  ],
  'a real signal times a complex one': [node('Mul', 'real complex', 's'), stft('s')],
  'a real signal times one that callers may make complex': [
    node('Mul', 'real either', 's'),
    stft('s'),
  ],
  'a real signal that is filled up on its last axis': [node('Pad', 'real pads', 's'), stft('s')],
  'what is not followed': [node('Softmax', 'real', 's'), stft('s')],
  'a signal through very many operators': [...chain(1000), stft('c1000')],
  'heads of a size that a caller says': [rotate('either', { num_heads: 2 })],
  'heads of an odd size': [rotate('odd')],
  'heads of an odd size, side by side': [rotate('square', { num_heads: 4 })],
  'heads of which an odd part is rotated': [rotate('heads', { rotary_embedding_dim: 3 })],
  'matrices that are not square': [inverse('oblong')],
  'matrices that callers may make oblong': [inverse('either')],
  'matrices of which nothing is known': [inverse('unranked')],
  'oblong products': [node('MatMul', 'square oblong', 's'), inverse('s')],
};

const shapes = { last: [-1n], middle: [1n], last_size: [1n], middle_size: [2n] };

function outcomes(nodes: readonly NodeInit[]): readonly string[] {
  const integers = {
    ...shapes,
    pads: [0n, 0n, 1n, 0n, 0n, 1n],
    shape: [1n, -1n, 1n],
    squares: [-1n, 4n, 4n],
  };
  const bytes = encodeModel({
    irVersion: 8,
    opsets: { '': 19, 'com.microsoft': 1 },
    graph: {
      inputs: INPUTS,
      initializers: [
        ...Object.entries(integers).map(([name, int64s]) => ({
          ...{ name, type: int64, dims: [int64s.length] },
          int64s,
        })),
        { name: 'step', type: int64, dims: [], int64s: [8n] },
        { name: 'gain', type: float, dims: [1], floats: [2] },
      ],
      nodes,
      outputs: [{ name: 'y', type: { tensor: float } }],
    },
  });
  return staticFindings(analyseModel({ path: 'm', bytes }))
    .filter(({ outcome }) => outcome === 'refuse')
    .map(({ rule, nodes: [first = ''] }) => `${rule} ${first}`);
}

for (const [what, nodes] of Object.entries(ADMITTED)) {
  test(`${what}: admitted`, () => assert.deepEqual(outcomes(nodes), []));
}

for (const [what, nodes] of Object.entries(REFUSED)) {
  test(`${what}: refused`, () => {
    const [last] = nodes.slice(-1);
    const rule = last?.op === 'Inverse' ? 'overrun' : 'unwritten';
    assert.deepEqual(outcomes(nodes), [`static.${rule} ${last?.op} "y"`]);
  });
}
