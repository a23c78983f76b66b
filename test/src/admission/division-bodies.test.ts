import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { both, type Case, divide, findingOf, node, ratio } from '../../forge/division-cases.js';
import { dataType } from '../../forge/onnx.js';
import type { AttributeValue, FunctionInit, NodeInit } from '../../forge/onnx-init.js';

const { int64, float } = dataType;

/** A body that states no types. */
const untyped = (inputs: string, nodes: readonly NodeInit[], outputs: string): AttributeValue => {
  const values = (names: string) => names.split(' ').map((name) => ({ name }));
  return { g: { inputs: values(inputs), nodes, outputs: values(outputs) } };
};

/** A Scan over `p` and `q` that passes on both, or gives what its body computes of both. */
const scan = (inner: NodeInit, outputs: string, innerOutputs: string): NodeInit =>
  node('Scan', 'p q', outputs, {
    num_scan_inputs: outputs.split(' ').length === 1 ? 2 : 1,
    body: untyped('u v', [inner, node('Identity', 'v', 'same')], innerOutputs),
  });

/** A SequenceMap over what holds `p` and `q`, of which the elements are divided. */
const mapped: readonly NodeInit[] = [
  node('SequenceConstruct', 'p q', 's'),
  node('SequenceMap', 's', 't', { body: untyped('u', [node('Identity', 'u', 'w')], 'w') }),
  ...['a', 'b'].map((name) => node('SequenceAt', 't place', name)),
  divide,
];

/** A function whose body refers to the attribute `k` of the call. */
const referring = (
  nodes: readonly NodeInit[],
  defaults: FunctionInit['defaults'] = {},
): FunctionInit => ({
  domain: 'local',
  name: 'Ratio',
  inputs: ['u', 'v'],
  outputs: ['w'],
  attributes: 'k' in defaults ? [] : ['k'],
  defaults,
  nodes: [...nodes, node('Div', 'm n', 'w')],
  opsets: { '': 20 },
});

const castBoth = [
  node('Cast', 'u', 'm', { to: { ref: 'k', type: 2 } }),
  node('Cast', 'v', 'n', { to: { ref: 'k', type: 2 } }),
];
const timesBoth = [node('Mul', 'c u', 'm'), node('Mul', 'c v', 'n')];
const one: AttributeValue = { t: { type: int64, dims: [1], int64s: [1n] } };

/** Functions that call each other, each `calls` times; the last one is `of`. */
const chain = (length: number, calls: number, of: string): readonly FunctionInit[] =>
  Array.from({ length }, (_, level) => ({
    domain: 'local',
    name: `F${level}`,
    inputs: ['u', 'v'],
    outputs: ['w'],
    nodes: Array.from({ length: calls }, (__, call) =>
      node(
        level === length - 1 ? of : `F${level + 1}`,
        `${call === 0 ? 'u' : `w${call}`} v`,
        call === calls - 1 ? 'w' : `w${call + 1}`,
        {},
        level === length - 1 ? '' : 'local',
      ),
    ),
    opsets: { '': 20, local: 1 },
  }));

/** Beside 2500 calls of a function that has much to look at, a division that no caller can make trap. */
const besideMany = (of: Partial<FunctionInit>): Case => ({
  nodes: [
    ...Array.from({ length: 2500 }, (_, call) =>
      node('Wide', call === 0 ? 'p' : `w${call}`, `w${call + 1}`, {}, 'local'),
    ),
    node('Ratio', 'w2500 two', 'y', {}, 'local'),
  ],
  functions: [
    { ...ratio('Div', 'u v'), name: 'Wide', inputs: ['u'], outputs: ['u'], nodes: [], ...of },
    ratio('Div', 'u v'),
  ],
});
const many = (name: string): string[] => Array.from({ length: 2000 }, (_, i) => `${name}${i}`);

const REFUSED: Readonly<Record<string, Case>> = {
  'what a scan divides of inputs whose types its body does not state': {
    nodes: [scan(node('Div', 'u v', 'r'), 'y', 'r')],
  },
  'what a scan divides of its state': { nodes: [scan(node('Div', 'u v', 'r'), 'y z', 'r same')] },
  'what a scan gives': {
    nodes: [scan(node('Identity', 'u', 'r'), 'a b', 'r same'), divide],
  },
  'what is computed of each element of a sequence': { nodes: mapped },
  'an input by what an untyped body of another vendor is given': {
    nodes: [
      node(
        'Repeat',
        'q',
        'y',
        { body: untyped('u', [node('Div', 'p u', 'r')], 'r') },
        'com.microsoft',
      ),
    ],
  },
  'what a function casts to the type that its call says': {
    nodes: [node('Ratio', 'p q', 'y', { k: int64 }, 'local')],
    functions: [referring(castBoth)],
    type: float,
  },
  'what a function casts to the type that it says where its call does not': {
    nodes: [node('Ratio', 'p q', 'y', {}, 'local')],
    functions: [referring(castBoth, { k: { i: BigInt(int64) } })],
    type: float,
  },
  'what a function makes of a constant that its call gives': {
    nodes: [node('Ratio', 'p q', 'y', { k: one }, 'local')],
    functions: [
      referring([node('Constant', '', 'c', { value: { ref: 'k', type: 4 } }), ...timesBoth]),
    ],
  },
  'what a function fills with a value that its call gives': {
    nodes: [node('Ratio', 'p q', 'y', { k: one }, 'local')],
    functions: [
      referring([
        node('Shape', 'u', 's'),
        node('ConstantOfShape', 's', 'c', { value: { ref: 'k', type: 4 } }),
        ...timesBoth,
      ]),
    ],
  },
  "what ONNX Runtime's operator gives in place of a function of its name": {
    nodes: both(node('Identity', 'p', 'a'), node('Identity', 'q', 'b')),
    functions: [
      {
        domain: '',
        name: 'Identity',
        inputs: ['u'],
        outputs: ['w'],
        nodes: [node('Cast', 'u', 'w', { to: float })],
        opsets: { '': 20 },
      },
    ],
  },
  'what functions divide that are called too deep to be followed': {
    nodes: [node('F0', 'p q', 'y', {}, 'local')],
    functions: chain(2_000, 1, 'Div'),
  },
  'what functions divide that are called too often to be followed': {
    nodes: [
      node('F0', 'p two', 'a', {}, 'local'),
      node('Ratio', 'p q', 'b', {}, 'local'),
      node('Add', 'a b', 'y'),
    ],
    functions: [...chain(20, 2, 'Add'), ratio('Div', 'u v')],
  },
  'what a node gives that has more inputs and outputs than any of ONNX': {
    nodes: [
      node('Repeat', Array(10).fill('p').join(' '), 'o0 o1 o2 o3 o4 o5 o6 o7 o8 o9'),
      node('Div', 'o0 o1', 'y'),
    ],
    type: float,
  },
  'what functions divide where calls have too many parameters to be followed': besideMany({
    inputs: many('u'),
    outputs: ['u0'],
  }),
  'what functions divide where calls have too many defaults to be followed': besideMany({
    defaults: Object.fromEntries(many('k').map((name) => [name, { i: 1 }])),
  }),
  'what functions divide where nodes in calls take too much to be followed': besideMany({
    outputs: ['w'],
    nodes: [node('Max', Array(2000).fill('u').join(' '), 'w')],
  }),
  'what functions divide where nodes in calls have too many attributes to be followed': besideMany({
    outputs: ['w'],
    nodes: [node('Neg', 'u', 'w', Object.fromEntries(many('k').map((name) => [name, { i: 1 }])))],
  }),
  'what functions divide where nodes in calls have too many subgraphs to be followed': besideMany({
    outputs: ['w'],
    nodes: [
      node('Repeat', 'u', 'w', {
        bodies: { graphs: many('k').map(() => ({ nodes: [], outputs: [] })) },
      }),
    ],
  }),
};

const ADMITTED: Readonly<Record<string, Case>> = {
  'what a scan divides of floats whose types its body does not state': {
    nodes: [scan(node('Div', 'u v', 'r'), 'y', 'r')],
    type: float,
  },
  'what is computed of each element of a sequence of floats': { nodes: mapped, type: float },
  'what a function casts to floats as its call says': {
    nodes: [node('Ratio', 'p q', 'y', { k: float }, 'local')],
    functions: [referring(castBoth)],
  },
  'what two operators of another vendor give': {
    nodes: both(
      node('Unique', 'p', 'a', {}, 'com.microsoft'),
      node('Unique', 'q', 'b', {}, 'com.microsoft'),
    ),
  },
  'what an untyped body of another vendor divides': {
    nodes: [
      node(
        'Repeat',
        'p q',
        'y',
        { body: untyped('u v', [node('Div', 'u v', 'r')], 'r') },
        'com.microsoft',
      ),
    ],
  },
  'what functions give that are called too deep to be followed, by a constant': {
    nodes: [node('F0', 'p q', 'a', {}, 'local'), node('Div', 'a two', 'y')],
    functions: chain(2_000, 1, 'Add'),
  },
  'what a function divides in a call that no output needs': {
    nodes: [node('Ratio', 'p q', 'b', {}, 'local'), node('Ratio', 'p two', 'y', {}, 'local')],
    functions: [ratio('Div', 'u v')],
  },
  'what a function divides that is not called, where others are called too deep to be followed': {
    nodes: [node('F0', 'p q', 'y', {}, 'local')],
    functions: [...chain(2_000, 1, 'Add'), ratio('Div', 'u v')],
  },
};

describe('a division in a body that callers can make trap is refused', () => {
  for (const [name, { nodes, type, functions }] of Object.entries(REFUSED)) {
    test(name, () => {
      const found = findingOf(nodes, type, functions);
      assert.equal(found.outcome, 'refuse');
      assert.equal(found.nodes.length, 1);
    });
  }
});

describe('a division in a body that cannot trap is none', () => {
  for (const [name, { nodes, type, functions }] of Object.entries(ADMITTED)) {
    test(name, () => assert.equal(findingOf(nodes, type, functions).outcome, 'pass'));
  }
});
