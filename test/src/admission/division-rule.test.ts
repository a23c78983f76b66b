import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  both,
  type Case,
  divide,
  findingOf,
  node,
  ratio,
  vector,
} from '../../forge/division-cases.js';
import { dataType } from '../../forge/onnx.js';
import type { AttributeValue, NodeInit } from '../../forge/onnx-init.js';

const { int8, int32, int64, float, bool } = dataType;

const branch = (divisor: string): AttributeValue => ({
  g: {
    nodes: [node('Div', `p ${divisor}`, 'inner')],
    outputs: [{ name: 'inner', type: vector(int64) }],
  },
});

/** A Loop that carries `p`, divided by a constant or by what it carries beside, `q`. */
const loop = (divisor: string): NodeInit =>
  node('Loop', 'two yes p q', 'y z', {
    body: {
      g: {
        inputs: [
          { name: 'i', type: { tensor: int64, shape: [] } },
          { name: 'go', type: { tensor: bool, shape: [] } },
          { name: 'u' },
          { name: 'v' },
        ].map((value) => ({ type: vector(int64), ...value })),
        nodes: [
          node('Identity', 'go', 'on'),
          node('Div', `u ${divisor}`, 'next'),
          node('Identity', 'v', 'same'),
        ],
        outputs: ['on', 'next', 'same'].map((name) => ({ name, type: vector(int64) })),
      },
    },
  });

const REFUSED: Readonly<Record<string, Case>> = {
  'two inputs': { nodes: [node('Div', 'p q', 'y')] },
  'a remainder': { nodes: [node('Mod', 'p q', 'y')], type: int32 },
  'a constant that holds -1': { nodes: [node('Div', 'p minus', 'y')] },
  'an input with a default, which callers override': { nodes: [node('Div', 'p preset', 'y')] },
  'integers made of inputs, in any order of nodes': {
    nodes: [
      node('Slice', 'sum two two', 'a'),
      node('Add', 'p two', 'sum'),
      node('Sub', 'q two', 'b'),
      divide,
    ],
  },
  'numbers that were cast to wide integers': {
    nodes: both(node('Cast', 'p', 'a', { to: int32 }), node('Cast', 'q', 'b', { to: int32 })),
  },
  'floats that were cast to integers, where what is too large becomes the least': {
    nodes: both(node('Cast', 'p', 'a', { to: int64 }), node('Cast', 'q', 'b', { to: int64 })),
    type: float,
  },
  'numbers of the publisher that went through floating point, where they may be made too large': {
    nodes: [
      node('Shape', 'p', 'n'),
      node('Cast', 'n', 'f', { to: float }),
      node('Floor', 'f', 'g'),
      node('Cast', 'g', 'a', { to: int64 }),
      node('Sub', 'n two', 'b'),
      divide,
    ],
  },
  'narrow integers that were cast, and summed beyond': {
    nodes: [
      node('Cast', 'p', 'wide', { to: int32 }),
      node('ReduceProd', 'wide', 'a'),
      node('Cast', 'q', 'b', { to: int32 }),
      divide,
    ],
    type: int8,
  },
  'an integer by a size less a constant': {
    nodes: [node('Shape', 'q', 'n'), node('Sub', 'n two', 'b'), node('Div', 'p b', 'y')],
  },
  'an integer by a quotient, whose divisor is of either sign': {
    nodes: [node('Shape', 'p', 'n'), node('Div', 'n q', 'b'), node('Div', 'p b', 'y')],
  },
  'an integer by a quotient, whose dividend is of either sign': {
    nodes: [node('Shape', 'p', 'n'), node('Div', 'mixed n', 'b'), node('Div', 'q b', 'y')],
  },
  'an integer by a remainder, which has the sign of its divisor': {
    nodes: [node('Shape', 'p', 'n'), node('Mod', 'n mixed', 'b'), node('Div', 'q b', 'y')],
  },
  'an integer by a remainder that has the sign of its dividend': {
    nodes: [
      node('Shape', 'p', 'n'),
      node('Mod', 'mixed n', 'b', { fmod: 1 }),
      node('Div', 'q b', 'y'),
    ],
  },
  'an absolute value, which the least integer has not got': {
    nodes: [node('Abs', 'p', 'a'), node('Min', 'q two', 'b'), divide],
  },
  'an integer by one of either sign': { nodes: [node('Div', 'p mixed', 'y')] },
  'a product of sizes that wraps': {
    nodes: [node('Shape', 'p', 'n'), node('Mul', 'n n', 'a'), node('Sub', 'n two', 'b'), divide],
  },
  'what a branch divides': {
    nodes: [node('If', 'yes', 'y', { then_branch: branch('q'), else_branch: branch('two') })],
  },
  'what a branch gives': {
    nodes: [
      node('If', 'yes', 'b', {
        then_branch: {
          g: { nodes: [node('Identity', 'q', 't')], outputs: [{ name: 't', type: vector(int64) }] },
        },
        else_branch: {
          g: {
            nodes: [node('Identity', 'two', 'e')],
            outputs: [{ name: 'e', type: vector(int64) }],
          },
        },
      }),
      node('Div', 'p b', 'y'),
    ],
  },
  'what a loop carries': { nodes: [loop('v')] },
  'what a function is called with': {
    nodes: [node('Ratio', 'p q', 'y', {}, 'local')],
    functions: [ratio('Div', 'u v')],
  },
  'a signal by frames of which a caller says the length': {
    nodes: [node('STFT', 'signal two - length', 'y')],
  },
  'a signal by frames of no length': { nodes: [node('STFT', 'signal two - place', 'y')] },
  'a signal by frames, in a function': {
    nodes: [node('Ratio', 'p q', 'y', {}, 'local')],
    functions: [ratio('STFT', 'u v - v')],
  },
  'an integer by what an operator of another vendor gives': {
    nodes: [node('Unique', 'q', 'b', {}, 'com.microsoft'), node('Div', 'p b', 'y')],
  },
};

const ADMITTED: Readonly<Record<string, Case>> = {
  'a signal by frames of constant length': { nodes: [node('STFT', 'signal two - two', 'y')] },
  'a signal by frames of a bounded length': {
    nodes: [
      node('Cast', 'length', 'asked', { to: int32 }),
      node('Cast', 'two', 'least', { to: int32 }),
      node('Max', 'asked least', 'frame'),
      node('STFT', 'signal two - frame', 'y'),
    ],
  },
  'a signal by frames as long as a window': {
    nodes: [node('STFT', 'signal two window length', 'y')],
  },
  'a signal by a window alone': { nodes: [node('STFT', 'signal two window', 'y')] },
  'what no output needs': { nodes: [node('Div', 'p q', 'b'), node('Identity', 'p', 'y')] },
  'narrow integers, which are widened before': { nodes: [node('Div', 'p q', 'y')], type: int8 },
  'narrow integers that were cast': {
    nodes: both(node('Cast', 'p', 'a', { to: int32 }), node('Cast', 'q', 'b', { to: int32 })),
    type: int8,
  },
  '32 bits that were cast to 64': {
    nodes: both(node('Cast', 'p', 'a', { to: int64 }), node('Cast', 'q', 'b', { to: int64 })),
    type: int32,
  },
  'floating point': { nodes: [node('Div', 'p q', 'y')], type: float },
  'a constant divisor': { nodes: [node('Div', 'p two', 'y')] },
  'a constant dividend': { nodes: [node('Div', 'two p', 'y')] },
  'a remainder with the sign of the dividend': { nodes: [node('Mod', 'p q', 'y', { fmod: 1 })] },
  'sizes, which no caller can make negative': {
    nodes: both(node('Shape', 'p', 'a'), node('Shape', 'q', 'b')),
  },
  'an integer by a size': { nodes: [node('Shape', 'q', 'b'), node('Div', 'p b', 'y')] },
  'a size less a constant by another': {
    nodes: [
      node('Shape', 'p', 'n'),
      node('Sub', 'n two', 'a'),
      node('Sub', 'n table', 'b'),
      divide,
    ],
  },
  'numbers that were cast to floats': {
    nodes: both(node('Cast', 'p', 'a', { to: float }), node('Cast', 'q', 'b', { to: float })),
  },
  'what an integer selects': {
    nodes: both(node('Gather', 'table p', 'a'), node('Identity', 'q', 'b')),
  },
  'a divisor that is bounded from below': {
    nodes: [node('Max', 'q two', 'b'), node('Div', 'p b', 'y')],
  },
  'a divisor that is clipped': {
    nodes: [node('Clip', 'q two -', 'b'), node('Div', 'p b', 'y')],
  },
  'a place by a width': { nodes: [node('ArgMax', 'p', 'a'), node('Div', 'a q', 'y')] },
  'places of the largest by how many there are': {
    nodes: [node('TopK', 'p two', 'v a'), node('Div', 'a q', 'y')],
    type: float,
  },
  'a truth value': {
    nodes: [
      node('Equal', 'p q', 'e'),
      node('Cast', 'e', 'a', { to: int64 }),
      node('Div', 'a q', 'y'),
    ],
  },
  'what a branch divides by a constant': {
    nodes: [node('If', 'yes', 'y', { then_branch: branch('two'), else_branch: branch('table') })],
  },
  'what a loop carries, by a constant': { nodes: [loop('two')] },
  'what a function divides by a constant': {
    nodes: [node('Ratio', 'p two', 'y', {}, 'local')],
    functions: [ratio('Div', 'u v')],
  },
  'what a function makes of floats': {
    nodes: [
      node('Cast', 'p', 'f', { to: float }),
      node('Cast', 'q', 'g', { to: float }),
      node('Ratio', 'f g', 'y', {}, 'local'),
    ],
    functions: [ratio('Div', 'u v')],
  },
  'lengths of strings that were counted': {
    nodes: [node('StringSplit', 'words', 's c'), node('Div', 'c p', 'y')],
  },
};

describe('a division that callers can make trap is refused', () => {
  for (const [name, { nodes, type, functions }] of Object.entries(REFUSED)) {
    test(name, () => {
      const found = findingOf(nodes, type, functions);
      assert.equal(found.outcome, 'refuse');
      assert.equal(found.nodes.length, 1);
    });
  }
});

describe('a division that cannot trap is none', () => {
  for (const [name, { nodes, type, functions }] of Object.entries(ADMITTED)) {
    test(name, () => assert.equal(findingOf(nodes, type, functions).outcome, 'pass'));
  }
});

test('a chain of any length is followed', () => {
  const length = 12_000;
  const chain = Array.from({ length }, (_, i) => node('Identity', `v${i}`, `v${i + 1}`)).reverse();
  const found = findingOf([
    node('Div', `p v${length}`, 'y'),
    ...chain,
    node('Identity', 'q', 'v0'),
  ]);
  assert.deepEqual(found.nodes, ['Div "y"']);
});
