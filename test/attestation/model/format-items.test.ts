import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import type { CborValue } from '../../../attestation/encoding/cbor.js';
import { sha256 } from '../../../attestation/encoding/hash.js';
import { executableModel } from '../../../attestation/model/executable.js';
import { analyseModel, identifyModel } from '../../../attestation/model/identity.js';
import { digest, float, floats, longs, node, value } from '../../forge/graph-digest.js';
import { encodeModel } from '../../forge/onnx.js';
import type {
  AttributeValue,
  FunctionInit,
  GraphInit,
  ModelInit,
  NodeInit,
  SparseInit,
  TensorInit,
  TypeInit,
} from '../../forge/onnx-init.js';

/** FORMAT.md, part by part: what it says of a model's digest, followed by hand. */
function follows(name: string, model: ModelInit, graph: CborValue): void {
  test(`FORMAT.md, followed by hand: ${name}`, () => {
    const identity = identifyModel({ path: 'm', bytes: encodeModel(model) });
    assert.equal(toHex(identity.graph), toHex(digest('graph', graph)));
  });
  test(`what is executed has the digest of the file: ${name}`, () => {
    const { bytes } = executableModel(analyseModel({ path: 'm', bytes: encodeModel(model) }));
    const identity = identifyModel({ path: 'm', bytes });
    assert.equal(toHex(identity.graph), toHex(digest('graph', graph)));
  });
}

const SCALAR: TypeInit = { tensor: 1, shape: [] };
const X = digest('input', [0, 0, float(), null]);
/** A graph of one scalar that computes what the nodes make of it. */
const graphOf = (nodes: readonly NodeInit[], ...outputs: string[]): GraphInit => ({
  inputs: [{ name: 'x', type: SCALAR }],
  nodes,
  outputs: outputs.map((name) => ({ name })),
});
const graphItem = (values: Readonly<Record<string, Uint8Array>>): CborValue => [
  [['x', float(), null]],
  Object.keys(values).map((name) => [name, null]),
  Object.values(values),
];

/** Strings as they are hashed. */
const texts = (...items: string[]): Uint8Array =>
  concat(...items.flatMap((item) => [longs(BigInt(utf8(item).length)), utf8(item)]));

for (const [name, type, item] of [
  ['a tensor of unknown rank', { tensor: 1 }, ['tensor', 1, null]],
  ['a scalar', { tensor: 11, shape: [] }, ['tensor', 11, []]],
  ['a tensor of unknown elements', { tensor: 0, shape: [1] }, ['tensor', 0, [1]]],
  [
    'sizes, symbols and what is unknown',
    { tensor: 10, shape: ['N', 3, null, 'M', 'N', -1, 0, ''] },
    ['tensor', 10, [[0], 3, null, [1], [0], null, 0, null]],
  ],
  ['a sparse tensor', { sparse: 1, shape: [2, 'N'] }, ['sparse_tensor', 1, [2, [0]]]],
  ['a sequence', { sequence: { tensor: 8 } }, ['seq', ['tensor', 8, null]]],
  [
    'an optional sequence',
    { optional: { sequence: { tensor: 1, shape: ['N'] } } },
    ['optional', ['seq', ['tensor', 1, [[0]]]]],
  ],
  ['a map', { map: [8, { tensor: 7, shape: ['N'] }] }, ['map', 8, ['tensor', 7, [[0]]]]],
  ['an opaque type', { opaque: ['d', 'n'] }, ['opaque', 'd', 'n']],
] as const satisfies readonly (readonly [string, TypeInit, CborValue])[]) {
  const inputs = [{ name: 'x', type }];
  follows(`the type of ${name}`, { graph: { inputs, nodes: [], outputs: inputs } }, [
    [['x', item, null]],
    [['x', item]],
    [digest('input', [0, 0, item, null])],
  ]);
}

const tensor: TensorInit = { type: 1, dims: [2], floats: [1, 2] };
const T = digest('tensor', [1, [2], sha256(floats(1, 2))]);
const half: TensorInit = { type: 10, dims: [], raw: Uint8Array.of(0, 0x38) };
const H = digest('tensor', [10, [], sha256(Uint8Array.of(0, 0x38))]);
const sparse: SparseInit = {
  values: { type: 1, dims: [2], floats: [1, 2] },
  indices: { type: 7, dims: [2, 2], int64s: [0, 1, 1, 2] },
  dims: [2, 3],
};
const S = digest('sparse', [1, [2, 3], sha256(floats(1, 2)), sha256(longs(1n, 5n))]);

/** Positions of more than 32 bits. */
const FAR = [2 ** 26, 2 ** 26] as const;
const coordinates: SparseInit = {
  ...sparse,
  indices: { ...sparse.indices, int64s: [1, 2, 64, 5] },
  dims: FAR,
};
const linear: SparseInit = {
  ...coordinates,
  indices: { type: 7, dims: [2], int64s: [2 ** 26 + 2, 2 ** 32 + 5] },
};
const F = digest('sparse', [
  1,
  [...FAR],
  sha256(floats(1, 2)),
  sha256(longs(2n ** 26n + 2n, 2n ** 32n + 5n)),
]);

for (const [attribute, type, item] of [
  [{ f: 0.5 }, 1, floats(0.5)],
  [{ i: -7 }, 2, -7],
  [{ i: 2n ** 62n }, 2, 2n ** 62n],
  [{ s: 'text' }, 3, utf8('text')],
  [{ t: tensor }, 4, [T]],
  [{ floats: [1, 2] }, 6, [2, sha256(floats(1, 2))]],
  [{ ints: [1, -2] }, 7, [2, sha256(longs(1n, -2n))]],
  [{ strings: ['', 'ab'] }, 8, [2, sha256(texts('', 'ab'))]],
  [{ tensors: [tensor, half] }, 9, [T, H]],
  [{ sparse }, 11, [S]],
  [{ sparses: [sparse, coordinates, linear] }, 12, [S, F, F]],
  [{ tp: { sequence: SCALAR } }, 13, [['seq', float()]]],
  [{ tps: [SCALAR, { tensor: 7 }] }, 14, [float(), ['tensor', 7, null]]],
] as const satisfies readonly (readonly [AttributeValue, number, CborValue])[]) {
  const nodes = [{ op: 'Op', inputs: ['x'], outputs: ['y'], attributes: { a: attribute } }];
  follows(
    `an attribute of type ${type}`,
    { graph: graphOf(nodes, 'y') },
    graphItem({ y: value(node('Op', 21, [['a', type, item]], [X], [true], null), 0) }),
  );
}

// More than is hashed at a time.
const MANY = Array.from({ length: 20_000 }, (_, i) => i);
const LONG = MANY.map(BigInt);

for (const [name, attribute, item] of [
  ['value', { t: half }, H],
  ['sparse_value', { sparse }, S],
  ['value_float', { f: 0.5 }, digest('tensor', [1, [], sha256(floats(0.5))])],
  ['value_int', { i: -7 }, digest('tensor', [7, [], sha256(longs(-7n))])],
  ['value_string', { s: 'ab' }, digest('tensor', [8, [], sha256(texts('ab'))])],
  ['value_floats', { floats: [1, 2] }, T],
  ['value_floats', { floats: MANY }, digest('tensor', [1, [20_000], sha256(floats(...MANY))])],
  ['value_ints', { ints: [5] }, digest('tensor', [7, [1], sha256(longs(5n))])],
  ['value_ints', { ints: LONG }, digest('tensor', [7, [20_000], sha256(longs(...LONG))])],
  ['value_strings', { strings: ['a', ''] }, digest('tensor', [8, [2], sha256(texts('a', ''))])],
] as const satisfies readonly (readonly [string, AttributeValue, Uint8Array])[]) {
  const nodes = [{ op: 'Constant', inputs: [], outputs: ['y'], attributes: { [name]: attribute } }];
  const count = Object.values(attribute).map((of) => (Array.isArray(of) ? ` of ${of.length}` : ''));
  follows(`a Constant’s ${name}${count}`, { graph: graphOf(nodes, 'y') }, graphItem({ y: item }));
}

const VALUE = { attributes: { value: { t: tensor } } };
const VALUE_ITEM: CborValue = [['value', 4, [T]]];
for (const [name, change, attributes, inputs, outputs] of [
  ['with another attribute', { attributes: { other: { t: tensor } } }, [['other', 4, [T]]]],
  [
    'with its value in another type',
    { attributes: { value_int: { f: 1 } } },
    [['value_int', 1, floats(1)]],
  ],
  [
    'with two values',
    { attributes: { value_int: { i: 1 }, value_float: { f: 1 } } },
    [
      ['value_float', 1, floats(1)],
      ['value_int', 2, 1],
    ],
  ],
  ['with no value', {}, []],
  ['with an input', { ...VALUE, inputs: ['x'] }, VALUE_ITEM, [X]],
  ['with two outputs', { ...VALUE, outputs: ['y', 'z'] }, VALUE_ITEM, [], [true, true]],
] as const satisfies readonly (readonly [
  string,
  Partial<NodeInit>,
  CborValue,
  CborValue?,
  CborValue?,
])[]) {
  follows(
    `a Constant ${name} is a node`,
    { graph: graphOf([{ op: 'Constant', inputs: [], outputs: ['y'], ...change }], 'y') },
    graphItem({
      y: value(node('Constant', 21, attributes, inputs ?? [], outputs ?? [true], null), 0),
    }),
  );
}
follows(
  'an operator with the attribute of a Constant, and a Constant of an overload, are nodes',
  {
    graph: graphOf(
      [
        { op: 'Op', inputs: [], outputs: ['y'], ...VALUE },
        { op: 'Constant', overload: 'o', inputs: [], outputs: ['z'], ...VALUE },
      ],
      'y',
      'z',
    ),
  },
  graphItem({
    y: value(node('Op', 21, VALUE_ITEM, [], [true], null), 0),
    z: value(digest('node', [['', 'Constant', 'o', 21], VALUE_ITEM, [], [true], null]), 0),
  }),
);

follows(
  'a node with inputs and outputs that are left out',
  { graph: graphOf([{ op: 'Op', inputs: ['', 'x', ''], outputs: ['', 'y', ''] }], 'y') },
  graphItem({ y: value(node('Op', 21, [], [null, X], [false, true, false], null), 1) }),
);

follows(
  'an initializer that callers may override',
  {
    graph: {
      inputs: [{ name: 'w', type: { tensor: 1, shape: [2] } }],
      initializers: [{ ...tensor, name: 'w' }],
      nodes: [],
      outputs: [{ name: 'w' }],
    },
  },
  [[['w', float(2), T]], [['w', null]], [digest('input', [0, 0, float(2), T])]],
);

const op = (name: string, inputs: readonly string[], ...outputs: string[]): NodeInit => ({
  op: name,
  inputs,
  outputs,
});
const branches = (
  inputs: readonly string[],
  output: string,
  of: readonly GraphInit[],
): NodeInit => {
  const [then_branch, else_branch] = of.map((g) => ({ g }));
  if (then_branch === undefined || else_branch === undefined) throw new Error();
  return { ...op('If', inputs, output), attributes: { then_branch, else_branch } };
};
const subgraph = (of: Uint8Array): Uint8Array => digest('subgraph', [[], [[null, of, null]]]);
const negated = (of: Uint8Array, place: CborValue): Uint8Array =>
  value(node('Neg', 21, [], [of], [true], place), 0);
const chosen = (on: Uint8Array, then: Uint8Array, other: Uint8Array, place: CborValue) =>
  value(
    node(
      'If',
      21,
      [
        ['else_branch', 5, [subgraph(other)]],
        ['then_branch', 5, [subgraph(then)]],
      ],
      [on],
      [true],
      place,
    ),
    0,
  );

follows(
  'constants, captured values and nodes of subgraphs have their level',
  {
    graph: graphOf(
      [
        branches(['x'], 'y', [
          {
            initializers: [{ ...tensor, name: 'w' }],
            nodes: [op('Neg', ['w'], 'a')],
            outputs: [{ name: 'a' }],
          },
          {
            nodes: [
              branches(['x'], 'b', [
                {
                  nodes: [
                    { ...op('Constant', [], 'c'), attributes: { value: { t: tensor } } },
                    op('Neg', ['c'], 'd'),
                  ],
                  outputs: [{ name: 'd' }],
                },
                { nodes: [op('Neg', ['x'], 'e')], outputs: [{ name: 'e' }] },
              ]),
            ],
            outputs: [{ name: 'b' }],
          },
        ]),
      ],
      'y',
    ),
  },
  graphItem({
    y: chosen(
      X,
      negated(digest('constant', [1, T]), 1),
      chosen(X, negated(digest('constant', [2, T]), 2), negated(X, 2), 1),
      null,
    ),
  }),
);

const inner = (name: string): GraphInit => ({
  nodes: [op(name, ['x'], 'inner')],
  outputs: [{ name: 'inner' }],
});
follows(
  'an attribute of several subgraphs',
  {
    graph: graphOf(
      [{ ...op('Op', ['x'], 'y'), attributes: { a: { graphs: [inner('Neg'), inner('Abs')] } } }],
      'y',
    ),
  },
  graphItem({
    y: value(
      node(
        'Op',
        21,
        [
          [
            'a',
            10,
            ['Neg', 'Abs'].map((of) => subgraph(value(node(of, 21, [], [X], [true], 1), 0))),
          ],
        ],
        [X],
        [true],
        null,
      ),
      0,
    ),
  }),
);

const loose: GraphInit = {
  inputs: [{ name: 'i', type: { tensor: 1, shape: [2] } }, { name: 'j' }],
  initializers: [{ ...tensor, name: 'i' }],
  nodes: [op('Add', ['i', 'j'], 'k')],
  outputs: [{ name: 'k', type: SCALAR }],
};
follows(
  'inputs of subgraphs have defaults, and names under operators of others',
  {
    opsets: { '': 21, 'com.example': 4 },
    graph: graphOf(
      [
        {
          ...op('Local', ['x'], 'y'),
          domain: 'com.example',
          overload: 'o',
          attributes: { body: { g: loose } },
        },
      ],
      'y',
    ),
  },
  graphItem({
    y: value(
      digest('node', [
        ['com.example', 'Local', 'o', 4],
        [
          [
            'body',
            5,
            [
              digest('subgraph', [
                [
                  [float(2), T, 'i'],
                  [null, null, 'j'],
                ],
                [
                  [
                    float(),
                    value(
                      node(
                        'Add',
                        21,
                        [],
                        [digest('input', [1, 0, float(2), T]), digest('input', [1, 1, null, null])],
                        [true],
                        1,
                      ),
                      0,
                    ),
                    'k',
                  ],
                ],
              ]),
            ],
          ],
        ],
        [X],
        [true],
        [0, 0],
      ]),
      0,
    ),
  }),
);

const body = (init: Partial<FunctionInit>): FunctionInit => ({
  domain: 'local',
  name: 'F',
  inputs: ['a'],
  outputs: ['b'],
  opsets: { '': 21 },
  nodes: [op('Neg', ['a'], 'b')],
  ...init,
});
const P = (position: number): Uint8Array => digest('parameter', position);
const called = (of: Uint8Array, inputs: CborValue = [X]): Uint8Array =>
  value(digest('call', [of, null, [], inputs, [true], null]), 0);

follows(
  'functions of one name are told apart by domain and overload, and are no operators',
  {
    opsets: { '': 21, local: 1, other: 1 },
    functions: [
      body({}),
      body({ domain: 'other', nodes: [op('Abs', ['a'], 'b')] }),
      body({ overload: 'o', nodes: [op('Exp', ['a'], 'b')] }),
    ],
    graph: graphOf(
      [
        { ...op('F', ['x'], 'p'), domain: 'local' },
        { ...op('F', ['x'], 'q'), domain: 'other' },
        { ...op('F', ['x'], 'r'), domain: 'local', overload: 'o' },
        op('F', ['x'], 's'),
      ],
      'p',
      'q',
      'r',
      's',
    ),
  },
  graphItem({
    ...Object.fromEntries(
      [
        ['p', 'Neg'],
        ['q', 'Abs'],
        ['r', 'Exp'],
      ].map(([name = '', of = '']) => {
        const inner = value(node(of, 21, [], [P(0)], [true], null), 0);
        return [name, called(digest('function', [1, [], [inner]]))];
      }),
    ),
    s: value(node('F', 21, [], [X], [true], null), 0),
  }),
);

follows(
  'the constants of a function, of which one is sparse',
  {
    opsets: { '': 21, local: 1 },
    functions: [
      body({
        nodes: [
          { ...op('Constant', [], 's'), attributes: { sparse_value: { sparse } } },
          { ...op('Constant', [], 't'), attributes: { value: { t: tensor } } },
          op('Op', ['a', 's', 't'], 'b'),
        ],
      }),
    ],
    graph: graphOf([{ ...op('F', ['x'], 'y'), domain: 'local' }], 'y'),
  },
  graphItem({
    y: called(
      digest('function', [1, [], [value(node('Op', 21, [], [P(0), S, T], [true], null), 0)]]),
    ),
  }),
);

const ofConstants: GraphInit = {
  initializers: [{ ...tensor, name: 't' }],
  nodes: [
    { ...op('Constant', [], 'h'), attributes: { value: { t: half } } },
    op('Op', ['a', 't', 'h'], 'c'),
  ],
  outputs: [{ name: 'c' }],
};
const ofBranch = value(
  node('Op', 21, [], [P(0), digest('constant', [1, T]), digest('constant', [1, H])], [true], 1),
  0,
);
follows(
  'the constants of a subgraph in a function',
  {
    opsets: { '': 21, local: 1 },
    functions: [body({ nodes: [branches(['a'], 'b', [ofConstants, ofConstants])] })],
    graph: graphOf([{ ...op('F', ['x'], 'y'), domain: 'local' }], 'y'),
  },
  graphItem({
    y: called(digest('function', [1, [], [chosen(P(0), ofBranch, ofBranch, null)]])),
  }),
);

follows(
  'a function of an overload that a runtime may have an operator of',
  {
    opsets: { '': 21, 'ai.onnx.ml': 5 },
    functions: [body({ domain: 'ai.onnx.ml', overload: 'o' })],
    graph: graphOf([{ ...op('F', ['x'], 'y'), domain: 'ai.onnx.ml', overload: 'o' }], 'y'),
  },
  graphItem({
    y: value(
      digest('call', [
        digest('function', [1, [], [value(node('Neg', 21, [], [P(0)], [true], null), 0)]]),
        ['ai.onnx.ml', 'F', 'o', 5],
        [],
        [X],
        [true],
        null,
      ]),
      0,
    ),
  }),
);

const callOf = (name: string): NodeInit => ({ ...op(name, ['a'], 'b'), domain: 'local' });
const NEG = value(node('Neg', 21, [], [P(0)], [true], null), 0);
const INNER = called(digest('function', [1, [], [NEG]]), [P(0)]);
follows(
  'functions that call one function, which is between them',
  {
    opsets: { '': 21, local: 1 },
    functions: [
      body({ name: 'F', nodes: [callOf('Inner')], opsets: { '': 21, local: 1 } }),
      body({ name: 'Inner' }),
      body({ name: 'G', nodes: [callOf('Inner')], opsets: { '': 21, local: 1 } }),
    ],
    graph: graphOf(
      [
        { ...op('F', ['x'], 'y'), domain: 'local' },
        { ...op('G', ['x'], 'z'), domain: 'local' },
      ],
      'y',
      'z',
    ),
  },
  graphItem({
    y: called(digest('function', [1, [], [INNER]])),
    z: called(digest('function', [1, [], [INNER]])),
  }),
);

follows(
  'a function has parameters, defaults, opsets and outputs of its own',
  {
    opsets: { '': 21, local: 1 },
    functions: [
      body({
        inputs: ['a', 'b'],
        outputs: ['c', 'b'],
        defaults: { slope: { f: 0.5 }, axis: { i: 1 } },
        opsets: { '': 21, odd: 3 },
        nodes: [{ ...op('Op', ['b', 'a'], 'c'), domain: 'odd' }],
      }),
    ],
    graph: graphOf([{ ...op('F', ['x', 'x'], 'y'), domain: 'local' }], 'y'),
  },
  graphItem({
    y: value(
      digest('call', [
        digest('function', [
          2,
          [
            ['axis', 2, 1],
            ['slope', 1, floats(0.5)],
          ],
          [
            value(digest('node', [['odd', 'Op', '', [3, 0]], [], [P(1), P(0)], [true], [0, 0]]), 0),
            P(1),
          ],
        ]),
        null,
        [],
        [X, X],
        [true],
        [0, 0],
      ]),
      0,
    ),
  }),
);

follows(
  'in a function symbols are unknown sizes, and the inputs of a loop no parameters, with defaults',
  {
    opsets: { '': 21, local: 1 },
    functions: [
      body({
        nodes: [
          {
            ...op('Loop', ['', '', 'a'], 'b'),
            attributes: {
              body: {
                g: {
                  inputs: [
                    { name: 'i' },
                    { name: 'go' },
                    { name: 's', type: { tensor: 1, shape: ['N'] } },
                  ],
                  initializers: [{ ...tensor, name: 's' }],
                  nodes: [op('Add', ['s', 'a'], 't')],
                  outputs: [{ name: 'go' }, { name: 't', type: { tensor: 1, shape: ['N'] } }],
                },
              },
            },
          },
        ],
      }),
    ],
    graph: graphOf([{ ...op('F', ['x'], 'y'), domain: 'local' }], 'y'),
  },
  graphItem({
    y: called(
      digest('function', [
        1,
        [],
        [
          value(
            node(
              'Loop',
              21,
              [
                [
                  'body',
                  5,
                  [
                    digest('subgraph', [
                      [
                        [null, null, null],
                        [null, null, null],
                        [float(null), T, null],
                      ],
                      [
                        [null, digest('input', [1, 1, null, null]), null],
                        [
                          float(null),
                          value(
                            node(
                              'Add',
                              21,
                              [],
                              [digest('input', [1, 2, float(null), T]), P(0)],
                              [true],
                              1,
                            ),
                            0,
                          ),
                          null,
                        ],
                      ],
                    ]),
                  ],
                ],
              ],
              [null, null, P(0)],
              [true],
              null,
            ),
            0,
          ),
        ],
      ]),
    ),
  }),
);

for (const [name, type] of [
  ['value', 4],
  ['value_float', 1],
  ['value_int', 2],
  ['value_string', 3],
  ['value_floats', 6],
] as const) {
  follows(
    `a Constant whose ${name} a call gives is a node`,
    {
      opsets: { '': 21, local: 1 },
      functions: [
        body({
          attributes: ['v'],
          nodes: [{ ...op('Constant', [], 'b'), attributes: { [name]: { ref: 'v', type } } }],
        }),
      ],
      graph: graphOf([{ ...op('F', ['x'], 'y'), domain: 'local' }], 'y'),
    },
    graphItem({
      y: called(
        digest('function', [
          1,
          [],
          [value(node('Constant', 21, [[name, type, null, 'v']], [], [true], null), 0)],
        ]),
      ),
    }),
  );
}
