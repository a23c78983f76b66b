import assert from 'node:assert/strict';
import { test } from 'node:test';
import { analyseModel } from '../../../attestation/model/identity.js';
import { staticFindings } from '../../../src/admission/static-rules.js';
import { node } from '../../forge/division-cases.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type { FunctionInit, NodeInit, ValueInit } from '../../forge/onnx-init.js';

const { float, int64 } = dataType;

const input = (name: string, tensor: number, shape?: readonly (number | string)[]): ValueInit => ({
  name,
  type: shape === undefined ? { tensor } : { tensor, shape },
});

const INPUTS: readonly ValueInit[] = [
  input('image', float, ['n', 3, 'h', 'w']),
  input('four', float, [4]),
  input('any', float, ['k']),
  input('preset', float, ['k']),
  input('count', int64, [1]),
  input('shape', int64, ['k']),
  input('unranked', float),
];

const resize = (scales: string, name = 'y'): NodeInit => node('Resize', `image - ${scales}`, name);
const cast = (from: string, to: string): NodeInit => node('Cast', from, to, { to: float });

const enlarging: FunctionInit = {
  domain: 'local',
  name: 'Enlarge',
  inputs: ['a', 'b'],
  outputs: ['c'],
  opsets: { '': 19 },
  nodes: [node('Resize', 'a - b', 'c')],
};

const MANY = Array.from({ length: 21 }, (_, i) => `r${i}`);

interface Case {
  readonly nodes: readonly NodeInit[];
  readonly opset?: number;
  readonly refused?: readonly string[];
}

const CASES: Readonly<Record<string, Case>> = {
  'constant scales': { nodes: [resize('constant')] },
  'four scales of a caller': { nodes: [resize('four')] },
  'sizes of a caller': { nodes: [node('Resize', 'image - - shape', 'y')] },
  'a region of a caller': { nodes: [node('Resize', 'image any constant', 'y')] },
  'scales of which callers choose how many': {
    nodes: [resize('any')],
    refused: ['Resize "y"'],
  },
  'a default that callers may replace by one of any size': {
    nodes: [resize('preset')],
    refused: ['Resize "y"'],
  },
  'scales made of the size of an image': {
    nodes: [
      node('Shape', 'image', 'size'),
      cast('size', 'wide'),
      node('Div', 'constant wide', 'scales'),
      resize('scales'),
    ],
  },
  'scales made of a factor of a caller': {
    nodes: [
      cast('count', 'factor'),
      node('Concat', 'factor factor factor factor', 'scales', { axis: 0 }),
      resize('scales'),
    ],
  },
  'scales of which a value of a caller says how many': {
    nodes: [node('Expand', 'one count', 'scales'), resize('scales')],
    refused: ['Resize "y"'],
  },
  'as many scales as an input has axes of which callers choose how many': {
    nodes: [node('Shape', 'unranked', 'size'), cast('size', 'scales'), resize('scales')],
    refused: ['Resize "y"'],
  },
  'as many scales as a tensor has axes of which callers choose how many': {
    nodes: [
      node('Reshape', 'four shape', 'shaped'),
      node('Shape', 'shaped', 'size'),
      cast('size', 'scales'),
      resize('scales'),
    ],
    refused: ['Resize "y"'],
  },
  'scales that an operator of another library makes of a value of a caller': {
    nodes: [node('Unique', 'four', 'scales', {}, 'com.microsoft'), resize('scales')],
    refused: ['Resize "y"'],
  },
  'scales of any number in a function': {
    nodes: [node('Enlarge', 'image any', 'y', {}, 'local')],
    refused: ['Resize "c"'],
  },
  'constant scales in a function': {
    nodes: [node('Enlarge', 'image constant', 'y', {}, 'local')],
  },
  'one Resize of two': {
    nodes: [resize('four', 'a'), resize('any', 'b'), node('Add', 'a b', 'y')],
    refused: ['Resize "b"'],
  },
  'one Resize of more than are judged each by itself': {
    nodes: [
      ...MANY.map((name, i) => resize(i === 20 ? 'any' : 'four', name)),
      node('Sum', MANY.join(' '), 'y'),
    ],
    refused: MANY.slice(1)
      .reverse()
      .map((name) => `Resize "${name}"`),
  },
  'what no output needs': { nodes: [resize('any', 'unused'), resize('four')] },
  'the second input of an older Resize': {
    nodes: [node('Resize', 'image any', 'y')],
    opset: 10,
    refused: ['Resize "y"'],
  },
  'an Upsample': {
    nodes: [node('Upsample', 'image any', 'y')],
    opset: 9,
    refused: ['Upsample "y"'],
  },
  'an attention to the past': {
    nodes: [
      node(
        'MultiHeadAttention',
        'four four four - - - four four',
        'y present_key present_value',
        { num_heads: 2 },
        'com.microsoft',
      ),
    ],
  },
  'an attention to the past that is told how much of its place is filled': {
    nodes: [
      node(
        'MultiHeadAttention',
        'four four four - - - four four count',
        'y present_key present_value',
        { num_heads: 2 },
        'com.microsoft',
      ),
    ],
    refused: ['MultiHeadAttention "y"'],
  },
};

for (const [what, { nodes, opset = 19, refused = [] }] of Object.entries(CASES)) {
  test(`${what}: ${refused.length === 0 ? 'admitted' : 'refused'}`, () => {
    const bytes = encodeModel({
      irVersion: 8,
      opsets: { '': opset, local: 1, 'com.microsoft': 1 },
      functions: [enlarging],
      graph: {
        inputs: INPUTS,
        initializers: [
          { name: 'constant', type: float, dims: [4], floats: [1, 1, 2, 2] },
          { name: 'preset', type: float, dims: [4], floats: [1, 1, 2, 2] },
          { name: 'one', type: float, dims: [1], floats: [1] },
        ],
        nodes,
        outputs: [{ name: 'y', type: { tensor: float } }],
      },
    });
    const findings = staticFindings(analyseModel({ path: 'm', bytes }));
    const overruns = findings.filter(({ rule }) => rule === 'static.overrun');
    assert.deepEqual(
      overruns.map((found) => [found.outcome, ...found.nodes]),
      [refused.length === 0 ? ['pass'] : ['refuse', ...refused]],
    );
  });
}
