import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { executableModel } from '../../../attestation/model/executable.js';
import { analyseModel, identifyModel } from '../../../attestation/model/identity.js';
import { readModel } from '../../../attestation/model/onnx.js';
import { Scope } from '../../../attestation/model/scope.js';
import { nativeSha256 } from '../../../src/system/sha256.js';
import { dataType, encodeModel } from '../../forge/onnx.js';
import type {
  FunctionInit,
  GraphInit,
  ModelInit,
  NodeInit,
  TensorInit,
  TypeInit,
  ValueInit,
} from '../../forge/onnx-init.js';
import { randomFrom } from '../../forge/random.js';
import { randomComputation } from '../../forge/random-computation.js';
import { randomModel } from '../../forge/random-model.js';
import { rewritings } from '../../forge/rewritings.js';
import { int, message, bytes as wireBytes } from '../../forge/wire.js';
import { fc } from '../../property.js';

/** Node's hash: the portable one takes most of the time of these tests. */
const HASHING = { sha256: nativeSha256 };
const graphOf = (bytes: Uint8Array): string =>
  toHex(identifyModel({ path: 'm', bytes }, HASHING).graph);
const executable = (
  bytes: Uint8Array,
  external: ReadonlyMap<string, Uint8Array> = new Map(),
): Uint8Array =>
  executableModel(analyseModel({ path: 'm', bytes, external }, HASHING), external).bytes;

const float = (name: string, shape: number[] = [1]): ValueInit => ({
  name,
  type: { tensor: dataType.float, shape },
});
const constant = (name: string, ...floats: number[]): TensorInit => ({
  name,
  type: dataType.float,
  dims: [floats.length],
  floats,
});
const node = (
  op: string,
  inputs: string[],
  output: string,
  more?: Partial<NodeInit>,
): NodeInit => ({
  op,
  inputs,
  outputs: [output],
  ...more,
});
const branch = (...nodes: NodeInit[]): GraphInit => ({ nodes, outputs: [float('out')] });

/** y of x, both of one float. */
const ofOne = (graph: Partial<GraphInit>, functions: FunctionInit[] = []): ModelInit => ({
  irVersion: 8,
  opsets: { '': 18, d: 1 },
  functions,
  graph: { inputs: [float('x')], outputs: [float('y')], nodes: [], ...graph },
});

/** An If of which the else-branch is executed; the other captures `name`. */
function ifElse(name: string, elseBranch: GraphInit): NodeInit {
  return node('If', ['no'], 'y', {
    attributes: {
      then_branch: { g: branch(node('Add', ['x', name], 'out')) },
      else_branch: { g: elseBranch },
    },
  });
}
const no: TensorInit = { name: 'no', type: dataType.bool, dims: [], int32s: [0] };

/** -(a + 5) */
const lessFive: FunctionInit = {
  domain: 'd',
  name: 'f',
  inputs: ['a'],
  outputs: ['b'],
  opsets: { '': 18 },
  nodes: [
    node('Constant', [], 'k', { attributes: { value: { t: constant('', 5) } } }),
    node('Add', ['a', 'k'], 't'),
    node('Neg', ['t'], 'b'),
  ],
};

/** A sequence of x alone, to each of which `name` is added. */
const mapped = (name: string): ModelInit =>
  ofOne({
    initializers: [
      constant(name, 100),
      { name: 'zero', type: dataType.int64, dims: [], int64s: [0] },
    ],
    nodes: [
      node('SequenceConstruct', ['x'], 's'),
      node('SequenceMap', ['s'], 't', {
        attributes: {
          body: {
            g: {
              inputs: [float('p')],
              outputs: [float('r')],
              nodes: [node('Add', ['p', name], 'r')],
            },
          },
        },
      }),
      node('SequenceAt', ['t', 'zero'], 'y'),
    ],
  });

const shadowing = (own: string): ModelInit =>
  ofOne({
    initializers: [no, constant('w', 100)],
    nodes: [
      ifElse('w', { ...branch(node('Add', ['x', own], 'out')), initializers: [constant(own, 5)] }),
    ],
  });

const inlined = (captured: string): ModelInit =>
  ofOne(
    {
      initializers: [no, constant(captured, 100)],
      nodes: [
        ifElse(
          captured,
          branch(node('f', ['x'], 'z', { domain: 'd' }), node('Add', ['z', captured], 'out')),
        ),
      ],
    },
    [lessFive],
  );

const cast = (name: string): ModelInit =>
  ofOne({
    nodes: [
      node('Cast', ['x'], 'half', { name, attributes: { to: { i: dataType.float16 } } }),
      node('Cast', ['half'], 'y', { attributes: { to: { i: dataType.float } } }),
    ],
  });

/** y is the shape of what NonZero finds, which no one can know before it runs. */
const found = (...values: ValueInit[]): ModelInit =>
  ofOne({
    nodes: [node('NonZero', ['x'], 'found'), node('Shape', ['found'], 'y')],
    outputs: [{ name: 'y', type: { tensor: dataType.int64, shape: [2] } }],
    values,
  });

const LAYERS = 4;
const PICTURE = [1, LAYERS, 5, 5];
const wave = (length: number): number[] => Array.from({ length }, (_, i) => Math.sin(i) * 3);

const convolution = (output: string, inputs: string[]): NodeInit =>
  node('Conv', inputs, output, { attributes: { pads: { ints: [1, 1, 1, 1] } } });

/** A convolution that is fused with what follows, unless another node looks between them. */
const normalized = (others: readonly NodeInit[], more: Partial<GraphInit> = {}): ModelInit =>
  ofOne({
    inputs: [float('x', PICTURE)],
    outputs: [float('y', PICTURE)],
    initializers: [
      { ...constant('w', ...wave(LAYERS * LAYERS * 9)), dims: [LAYERS, LAYERS, 3, 3] },
      constant('scale', 1.1, -0.7, 0.3, 2.9),
      constant('bias', 0.1, 0.2, 0.3, 0.4),
      constant('mean', 0.7, 0.5, 0.3, 0.1),
      constant('variance', 0.9, 1.3, 0.3, 1.7),
    ],
    nodes: [
      convolution('c', ['x', 'w']),
      ...others,
      node('BatchNormalization', ['c', 'scale', 'bias', 'mean', 'variance'], 'y'),
    ],
    ...more,
  });

/** A second output looks at the convolution too. */
const lookedAt = (...others: NodeInit[]): ModelInit =>
  normalized(others, { outputs: [float('y', PICTURE), float('z', PICTURE)] });

/** A product that is folded into the convolution's weights. */
const scaled = (...inputs: string[]): ModelInit =>
  ofOne({
    inputs: [float('x', PICTURE)],
    outputs: [float('y', PICTURE)],
    initializers: [
      { ...constant('w', ...wave(LAYERS * LAYERS * 9)), dims: [LAYERS, LAYERS, 3, 3] },
      { ...constant('k', 1.1, -0.7, 0.3, 2.9), dims: [LAYERS, 1, 1] },
    ],
    nodes: [convolution('c', inputs), node('Mul', ['c', 'k'], 'y')],
  });

const ofLength = (name: string, size: string | null): ValueInit => ({
  name,
  type: { tensor: dataType.float, shape: [size] },
});
const condition: ValueInit = { name: 'c', type: { tensor: dataType.bool, shape: [] } };

/** y is the shape of what either branch wraps. */
const wrapped = (size: number | null): ModelInit => {
  const type: TypeInit = { optional: { tensor: dataType.float, shape: [size] } };
  const wrap: GraphInit = {
    nodes: [node('Optional', ['x'], 'out')],
    outputs: [{ name: 'out', type }],
  };
  return ofOne({
    inputs: [ofLength('x', null), condition],
    nodes: [
      node('If', ['c'], 'o', {
        attributes: { then_branch: { g: wrap }, else_branch: { g: wrap } },
      }),
      node('OptionalGetElement', ['o'], 'e'),
      node('Shape', ['e'], 'y'),
    ],
    outputs: [{ name: 'y', type: { tensor: dataType.int64, shape: [1] } }],
  });
};

/** A function in which what has N elements outside becomes longer. */
const lengthened = (symbol: string): ModelInit => {
  const branchOf = (...inputs: string[]): { readonly g: GraphInit } => ({
    g: {
      nodes: [node('Concat', inputs, 'out', { attributes: { axis: { i: 0 } } })],
      outputs: [{ name: 'out', type: { tensor: dataType.float, shape: [symbol] } }],
    },
  });
  const lengthen: FunctionInit = {
    ...lessFive,
    inputs: ['a', 'c'],
    nodes: [
      node('If', ['c'], 'b', {
        attributes: { then_branch: branchOf('a', 'a'), else_branch: branchOf('a', 'a', 'a') },
      }),
    ],
  };
  return ofOne(
    {
      inputs: [ofLength('x', 'N'), condition],
      nodes: [
        node('Exp', ['x'], 'e'),
        node('Log', ['e'], 'l'),
        node('Sin', ['l'], 'z'),
        node('f', ['z', 'c'], 't', { domain: 'd' }),
        node('Neg', ['t'], 'n'),
        node('Transpose', ['n'], 'r'),
        node('Softmax', ['r'], 's'),
        node('Cos', ['s'], 'y'),
      ],
      outputs: [ofLength('y', null), ofLength('z', 'N')],
    },
    [lengthen],
  );
};

/**
 * A function that gives the positive elements of what it is given, by the symbol of its branches for their
 * count; both functions are one where the symbols do not count.
 */
const positives = (name: string, symbol: string): FunctionInit => {
  const branchOf = (op: string): { readonly g: GraphInit } => ({
    g: {
      nodes: [
        node('NonZero', ['a'], 'where'),
        node('Transpose', ['where'], 'rows'),
        node('GatherND', ['a', 'rows'], 'found'),
        node(op, ['found'], 'out'),
      ],
      outputs: [{ name: 'out', type: { tensor: dataType.float, shape: [symbol] } }],
    },
  });
  return {
    ...lessFive,
    name,
    inputs: ['a', 'c'],
    nodes: [
      node('If', ['c'], 'b', {
        attributes: { then_branch: branchOf('Relu'), else_branch: branchOf('Abs') },
      }),
    ],
  };
};

/** Two calls of these functions, of which the second gets more elements. */
const growing = (first: string, second: string): ModelInit =>
  ofOne(
    {
      inputs: [ofLength('x', 'N'), condition],
      nodes: [
        node(first, ['x', 'c'], 'p', { domain: 'd' }),
        node('Sin', ['p'], 'p1'),
        node('Cos', ['p1'], 'p2'),
        node('ReduceSum', ['p2'], 'p3', { attributes: { keepdims: { i: 1 } } }),
        node('Concat', ['x', 'x', 'p3'], 'xx', { attributes: { axis: { i: 0 } } }),
        node(second, ['xx', 'c'], 'q', { domain: 'd' }),
        node('Sin', ['q'], 'q1'),
        node('Cos', ['q1'], 'q2'),
        node('ReduceSum', ['q2'], 'y', { attributes: { keepdims: { i: 1 } } }),
      ],
      outputs: [ofLength('y', null)],
    },
    [positives('f', 'F'), positives('g', 'G')],
  );

async function run(
  model: Uint8Array,
  x: Tensor,
  options: InferenceSession.SessionOptions = {},
): Promise<string> {
  const session = await InferenceSession.create(model, { logSeverityLevel: 4, ...options });
  const c = new Tensor('bool', [true], []);
  const { y } = await session.run(session.inputNames.includes('c') ? { x, c } : { x });
  await session.release();
  return String(y?.data);
}

const one = new Tensor('float32', Float32Array.of(1.0001), [1]);
const three = new Tensor('float32', Float32Array.of(1, 2, 3), [3]);
const picture = new Tensor('float32', Float32Array.from(wave(100)), PICTURE);

/** Two files of one computation, of which ONNX Runtime left to itself makes two. */
const steered: readonly (readonly [
  what: string,
  honest: ModelInit,
  other: ModelInit,
  x: Tensor,
])[] = [
  [
    'the shape that value_info states',
    found(),
    found({ name: 'found', type: { tensor: dataType.int64, shape: [1, 3] } }),
    one,
  ],
  ["a branch's name for a value that another has outside", shadowing('own'), shadowing('w'), one],
  ['the name of a node', cast('c'), cast('InsertedPrecisionFreeCast_c'), one],
  ['a name that inlining makes', inlined('w'), inlined('_inlfunc_f_t'), one],
  [
    'a name that ONNX makes of SequenceMap',
    mapped('w'),
    mapped('SequenceMap_loop_body_itercount'),
    one,
  ],
  ['a dead node', normalized([]), normalized([node('Neg', ['c'], 'dead')]), picture],
  [
    'the twin of a node',
    lookedAt(node('Exp', ['c'], 'z')),
    lookedAt(convolution('twin', ['x', 'w']), node('Exp', ['twin'], 'z')),
    picture,
  ],
  ['an input that is left out at the end', scaled('x', 'w'), scaled('x', 'w', ''), picture],
  ['a negative size where none is known', wrapped(null), wrapped(-1), three],
  [
    "a function's symbol, which another outside has the name of",
    lengthened('M'),
    lengthened('N'),
    three,
  ],
];

for (const [what, honestInit, otherInit, x] of steered) {
  test(`${what} changes answers, but neither the digest nor what is executed`, async () => {
    const [honest, other] = [encodeModel(honestInit), encodeModel(otherInit)];
    assert.equal(graphOf(other), graphOf(honest));
    const expected = await run(honest, x);
    // If this fails, ONNX Runtime has stopped looking there, and leaving it out is caution only.
    const misled = await run(other, x).catch(() => 'refused');
    assert.notEqual(misled, expected);
    assert.deepEqual(executable(other), executable(honest));
    assert.equal(await run(executable(other), x), expected);
  });
}

test('what two calls of one function give need not have one size', async () => {
  const [two, same] = [encodeModel(growing('f', 'g')), encodeModel(growing('f', 'f'))];
  assert.equal(graphOf(two), graphOf(same));
  assert.deepEqual(executable(two), executable(same));
  assert.equal(graphOf(executable(two)), graphOf(two));
  assert.equal(await run(executable(two), three), await run(two, three));
});

test('names that are kept may not be such as ONNX Runtime makes', () => {
  const refused = { code: 'MODEL_RESERVED_NAME' };
  for (const name of ['_inlfunc_f_t', 'SequenceMap_loop_body_itercount']) {
    const input = { inputs: [float(name)], nodes: [node('Neg', [name], 'y')] };
    const output = { outputs: [float(name)], nodes: [node('Neg', ['x'], name)] };
    const around = (g: GraphInit): Partial<GraphInit> => ({
      nodes: [node('Op', ['x'], 'y', { domain: 'd', attributes: { b: { g } } })],
    });
    const taken = around({ ...branch(node('Neg', [name], 'out')), inputs: [float(name)] });
    const given = around({ nodes: [node('Neg', ['x'], name)], outputs: [float(name)] });
    for (const graph of [input, output, taken, given]) {
      assert.throws(() => graphOf(encodeModel(ofOne(graph))), refused);
    }
    const within = { nodes: [node('Neg', ['x'], name), node('Neg', [name], 'y')] };
    assert.doesNotThrow(() => graphOf(encodeModel(ofOne(within))));
  }
});

test('subgraphs of operators that are not ONNX’s keep the names that they are fed by', () => {
  const body: GraphInit = {
    inputs: [float('past')],
    outputs: [float('present')],
    nodes: [node('Neg', ['past'], 'inner'), node('Neg', ['inner'], 'present')],
  };
  const nodes = [node('Search', ['x'], 'y', { domain: 'd', attributes: { decoder: { g: body } } })];
  const [written] = readModel(executable(encodeModel(ofOne({ nodes })))).graph.nodes;
  const graph = written?.attributes[0]?.graphs[0];
  assert.deepEqual(
    graph?.inputs.map(({ name }) => name),
    ['past'],
  );
  assert.deepEqual(
    graph?.outputs.map(({ name }) => name),
    ['present'],
  );
  assert.deepEqual(
    graph?.nodes.map(({ inputs, outputs }) => [inputs, outputs]),
    [
      [['past'], ['assay0']],
      [['assay0'], ['present']],
    ],
  );
});

test('a value whose name a subgraph keeps for another is not needed there', () => {
  const needing = (captured: string): ModelInit => {
    const body: GraphInit = {
      inputs: [float('y')],
      nodes: [node('Add', ['y', captured], 'sum')],
      outputs: [float('sum')],
    };
    const nodes = [
      node('Abs', ['x'], 'y'),
      node('Abs', ['x'], 'z'),
      node('Search', ['x'], 'o', { domain: 'd', attributes: { body: { g: body } } }),
    ];
    return ofOne({ nodes, outputs: [float('y'), float('o')] });
  };
  assert.doesNotThrow(() => executable(encodeModel(needing('x'))));
  assert.throws(() => executable(encodeModel(needing('z'))), { code: 'MODEL_SHADOWED_NAME' });
});

test('copies of one constant in one graph are one', () => {
  const sum = (...names: string[]): Uint8Array =>
    encodeModel(
      ofOne({
        initializers: [...new Set(names)].map((name) => constant(name, 1)),
        nodes: [node('Sum', ['x', ...names], 'y')],
      }),
    );
  assert.equal(graphOf(sum('a', 'b')), graphOf(sum('a', 'a')));
  assert.deepEqual(executable(sum('a', 'b')), executable(sum('a', 'a')));
});

test('outputs of a loop that are one value are written as one', () => {
  const loop = (...given: string[]): Uint8Array => {
    const twins = [...new Set(given)].map((name) => node('Add', ['p', 'q'], name));
    const body: GraphInit = {
      inputs: [
        { name: 'i', type: { tensor: dataType.int64, shape: [] } },
        { name: 'k', type: { tensor: dataType.bool, shape: [] } },
        float('p'),
        float('q'),
      ],
      nodes: [node('Identity', ['k'], 'on'), ...twins],
      outputs: [{ name: 'on' }, ...given.map((name) => float(name))],
    };
    const times: TensorInit = { name: 't', type: dataType.int64, dims: [], int64s: [3] };
    return encodeModel(
      ofOne({
        initializers: [times],
        nodes: [
          {
            ...node('Loop', ['t', '', 'x', 'x'], 'y', { attributes: { body: { g: body } } }),
            outputs: ['y', 'z'],
          },
        ],
        outputs: [float('y'), float('z')],
      }),
    );
  };
  assert.equal(graphOf(loop('v', 'w')), graphOf(loop('v', 'v')));
  assert.deepEqual(executable(loop('v', 'w')), executable(loop('v', 'v')));
});

/** The body of a loop, each of whose outputs is the negative of what it carries on. */
const turning = (...outputs: string[]): GraphInit => ({
  inputs: [
    { name: 'turn', type: { tensor: dataType.int64, shape: [] } },
    { name: 'k', type: { tensor: dataType.bool, shape: [] } },
    float('p'),
  ],
  nodes: [
    node('Identity', ['k'], 'on'),
    ...[...new Set(outputs)].map((name) => node('Neg', ['p'], name)),
  ],
  outputs: [
    { name: 'on', type: { tensor: dataType.bool, shape: [] } },
    ...outputs.map((name) => float(name)),
  ],
});

const three64: TensorInit = { name: 't', type: dataType.int64, dims: [], int64s: [3] };

/** A call of a function with one node, to which it passes `body` on. */
function calledWith(domain: string, op: string, body: GraphInit, more: NodeInit): ModelInit {
  const of = { inputs: ['t', 'x'], outputs: ['y', 'z'] };
  const call: NodeInit = { ...of, op, domain, attributes: { body: { g: body } } };
  const called: FunctionInit = {
    ...{ domain, name: op, ...of, attributes: ['body'], opsets: { '': 18 } },
    nodes: [more],
  };
  return ofOne(
    { initializers: [three64], nodes: [call], outputs: [float('y'), float('z', [3, 1])] },
    [called],
  );
}

test('a subgraph that keeps its names gives one of them twice', async () => {
  const loop: NodeInit = {
    op: 'Loop',
    inputs: ['t', '', 'x'],
    outputs: ['y', 'z'],
    attributes: { body: { ref: 'body', type: 5 } },
  };
  const bytes = encodeModel(calledWith('d', 'f', turning('n', 'n'), loop));
  const [call] = readModel(executable(bytes)).graph.nodes;
  const names = call?.attributes[0]?.graphs[0]?.outputs.map(({ name }) => name);
  assert.deepEqual(names, ['on', 'n', 'n']);
  assert.equal(await run(executable(bytes), one), await run(bytes, one));
});

test('a branch that a call passes on to an If gives values of its own, also of twins', () => {
  const branches: NodeInit = {
    op: 'If',
    inputs: ['x'],
    outputs: ['y', 'z'],
    attributes: { then_branch: { ref: 'body', type: 5 } },
  };
  const twins: GraphInit = {
    nodes: [node('Neg', ['x'], 'v'), node('Neg', ['x'], 'w')],
    outputs: [float('v'), float('w')],
  };
  const [call] = readModel(executable(encodeModel(calledWith('', 'Rival', twins, branches)))).graph
    .nodes;
  const names = call?.attributes[0]?.graphs[0]?.outputs.map(({ name }) => name);
  assert.equal(new Set(names).size, 2);
});

test('how many twins a file has is no matter where two outputs are one value', () => {
  const split = (...of: string[]): Uint8Array => {
    const nodes = of.map((name) => ({
      op: 'Split',
      inputs: ['x'],
      outputs: [`${name}0`, `${name}1`],
    }));
    const [a = '', b = '', c = b] = of;
    const uses = [
      [`${a}0`, 'o0'],
      [`${b}0`, 'o1'],
      [`${a}1`, 'o2'],
      [`${c}1`, 'o3'],
    ];
    const renamed = nodes.map((each) => ({
      ...each,
      outputs: each.outputs.map((name) => uses.find(([from]) => from === name)?.[1] ?? name),
    }));
    return encodeModel(
      ofOne({ nodes: renamed, outputs: ['o0', 'o1', 'o2', 'o3'].map((name) => float(name)) }),
    );
  };
  assert.equal(graphOf(split('a', 'b', 'c')), graphOf(split('a', 'b')));
  assert.deepEqual(executable(split('a', 'b', 'c')), executable(split('a', 'b')));
});

test('the positions of a sparse constant are written in one form', async () => {
  const sparse = (indices: TensorInit): Uint8Array => {
    const values = constant('s', 1, 2);
    return encodeModel(
      ofOne({
        sparse: [{ values, indices, dims: [3, 4] }],
        nodes: [node('ReduceSum', ['s'], 'all'), node('Mul', ['x', 'all'], 'y')],
        outputs: [float('y', [1, 1])],
      }),
    );
  };
  const linear = sparse({ type: dataType.int64, dims: [2], int64s: [1, 11] });
  const coordinates = sparse({ type: dataType.int64, dims: [2, 2], int64s: [0, 1, 2, 3] });
  assert.deepEqual(executable(coordinates), executable(linear));
  const one = new Tensor('float32', Float32Array.of(1), [1]);
  assert.equal(await run(executable(coordinates), one), '3');
});

test('integers of one byte in the file do not take eight as often as a file likes', () => {
  const count = 40_000_000;
  const tensor = message(
    [int(1, count), int(2, dataType.int64), wireBytes(7, new Uint8Array(count)), wireBytes(8, 'y')],
    {},
  );
  const graph = wireBytes(
    7,
    message([wireBytes(5, tensor), wireBytes(12, message([wireBytes(1, 'y')], {}))], {}),
  );
  const bytes = message([int(1, 8), graph, wireBytes(8, message([int(2, 18)], {}))], {});
  assert.throws(() => executable(bytes), { code: 'MODEL_TOO_COMPLEX' });
});

test('a long name does not stand for a short one as often as a file likes', () => {
  const long = 'y'.repeat(64_000);
  const uses = Array.from({ length: 20_000 }, () => 'z');
  const nodes = [node('Neg', ['x'], long), node('Neg', ['x'], 'z'), node('Sum', uses, 'o')];
  const bytes = encodeModel(ofOne({ nodes, outputs: [float(long), float('o')] }));
  assert.throws(() => executable(bytes), { code: 'MODEL_TOO_COMPLEX' });
});

test('a fresh name is none that is kept', () => {
  const nodes = [node('Neg', ['assay0'], 'inner'), node('Neg', ['inner'], 'assay1')];
  const bytes = encodeModel(
    ofOne({ inputs: [float('assay0')], nodes, outputs: [float('assay1')] }),
  );
  const { nodes: written } = readModel(executable(bytes)).graph;
  assert.deepEqual(
    written.map(({ inputs, outputs }) => [...inputs, ...outputs]),
    [
      ['assay0', 'assay2'],
      ['assay2', 'assay1'],
    ],
  );
});

test('symbols of the signature are kept, but for such as a runtime or this file makes', () => {
  const negated = (symbol: string): { readonly g: GraphInit } => ({
    g: { nodes: [node('Neg', ['x'], 'out')], outputs: [ofLength('out', symbol)] },
  });
  const symbolsOf = (input: string, output: string): unknown => {
    const attributes = { then_branch: negated('M'), else_branch: negated('K') };
    const nodes = [node('If', ['c'], 'y', { attributes })];
    const inputs = [ofLength('x', input), condition];
    const bytes = encodeModel(ofOne({ inputs, nodes, outputs: [ofLength('y', output)] }));
    const written = executable(bytes);
    assert.equal(graphOf(written), graphOf(bytes), 'those of subgraphs are others');
    const { graph } = readModel(written);
    return [graph.inputs[0], graph.outputs[0]].map(
      (value) => value?.type?.kind === 'tensor' && value.type.dims?.[0],
    );
  };
  assert.deepEqual(symbolsOf('N', 'L'), ['N', 'L']);
  assert.deepEqual(symbolsOf('assay2', 'unk__1'), ['assay assay2', 'assay unk__1']);
});

test('functions are written once, those that are called, and only rivals of operators under their names', () => {
  const rival: FunctionInit = { ...lessFive, domain: 'com.microsoft', name: 'Gelu' };
  const bytes = encodeModel({
    ...ofOne(
      {
        nodes: [
          node('Gelu', ['x'], 'g', { domain: 'com.microsoft' }),
          node('f', ['g'], 'h', { domain: 'd' }),
          node('same', ['h'], 'i', { domain: 'e' }),
          node('Assay0', ['i'], 'y', { domain: 'custom' }),
        ],
      },
      [
        { ...lessFive, name: 'unused' },
        { ...lessFive, domain: 'e', name: 'same' },
        rival,
        lessFive,
      ],
    ),
    opsets: { '': 18, d: 1, e: 2, custom: 3, 'com.microsoft': 1 },
  });
  const { functions, graph } = readModel(executable(bytes));
  assert.deepEqual(
    new Set(functions.map(({ domain, name }) => `${domain} ${name}`)),
    new Set(['assay.functions Assay1', 'com.microsoft Gelu']),
  );
  assert.deepEqual(
    graph.nodes.map(({ op }) => op),
    ['Gelu', 'Assay1', 'Assay1', 'Assay0'],
  );
});

test('sizes that lie in a file are placed in the model: ONNX Runtime infers no shape from there', async () => {
  const sizes = BigInt64Array.of(1n, 1n);
  const large = new Float32Array(2000).fill(2);
  const file = new Uint8Array(sizes.byteLength + large.byteLength);
  file.set(new Uint8Array(sizes.buffer));
  file.set(new Uint8Array(large.buffer), sizes.byteLength);
  const at = (offset: number, length: number) => ({
    location: 'w.bin',
    offset: String(offset),
    length: String(length),
  });
  const bytes = encodeModel(
    ofOne({
      initializers: [
        { name: 's', type: dataType.int64, dims: [2], external: at(0, 16) },
        { name: 'w', type: dataType.float, dims: [1, 2000], external: at(16, 8000) },
      ],
      nodes: [
        node('Reshape', ['x', 's'], 'r'),
        node('MatMul', ['r', 'w'], 'p'),
        node('ReduceSum', ['p'], 'y'),
      ],
      outputs: [float('y', [1, 1])],
    }),
  );
  const external = new Map([['w.bin', file]]);
  const written = executable(bytes, external);
  const { initializers } = readModel(written).graph;
  assert.deepEqual(initializers.map(({ payload }) => payload.kind).sort(), ['external', 'raw']);
  const source = { path: 'm', external };
  const { graph } = identifyModel({ ...source, bytes });
  assert.deepEqual(identifyModel({ ...source, bytes: written }).graph, graph);
  const externalData = [{ path: 'w.bin', data: file }];
  await assert.rejects(run(bytes, one, { externalData }));
  const two = new Tensor('float32', Float32Array.of(2), [1]);
  assert.equal(await run(written, two, { externalData }), '8000');
});

/** A sum of tensors of 4 KiB, of which each lies in the file at one of these offsets. */
const sumOf = (offsets: readonly number[]): Uint8Array =>
  encodeModel(
    ofOne({
      initializers: offsets.map((offset, i) => ({
        name: `w${i}`,
        type: dataType.float,
        dims: [1024],
        external: { location: 'w.bin', offset: String(offset), length: '4096' },
      })),
      nodes: [node('Sum', ['x', ...offsets.map((_, i) => `w${i}`)], 'y')],
    }),
  );

test('small tensors are placed in the model, whether or not they share their place in a file', () => {
  const once = Float32Array.from(wave(1025));
  const apart = new Float32Array(2048);
  apart.set(once.subarray(0, 1024));
  apart.set(once.subarray(1), 1024);
  const [shared, own] = [once, apart].map(
    (floats) => new Map([['w.bin', new Uint8Array(floats.buffer)]]),
  );
  const written = executable(sumOf([0, 4]), shared);
  assert.deepEqual(written, executable(sumOf([0, 4096]), own));
  const { initializers } = readModel(written).graph;
  assert.deepEqual(
    initializers.map(({ payload }) => payload.kind),
    ['raw', 'raw'],
  );
});

/** More than is hashed or written at a time. */
const COUNT = 20_000;
const inFile = (type: number, offset: number, size: number): TensorInit => ({
  type,
  dims: [COUNT],
  external: { location: 'w.bin', offset: String(offset), length: String(size * COUNT) },
});
const elements = inFile(dataType.float, 0, 4);
const w = { ...elements, name: 'w' };
const product: NodeInit[] = [
  node('ReduceSum', ['w'], 's', { attributes: { keepdims: { i: 0 } } }),
  node('Mul', ['x', 's'], 'y'),
];
const given = node('Constant', [], 'w', { attributes: { value: { t: elements } } });
const eitherWay = (graph: Partial<GraphInit>): Partial<GraphInit> => {
  const g = { nodes: product, outputs: [float('y')], ...graph };
  const attributes = { then_branch: { g }, else_branch: { g } };
  return {
    initializers: [no],
    nodes: [node('If', ['no'], 'z', { attributes })],
    outputs: [float('z')],
  };
};

for (const { where, graph, functions = [], files = [] } of [
  {
    where: 'the graph',
    graph: { initializers: [w], nodes: product },
    files: ['w.bin'],
  },
  {
    where: 'an input that has it by default',
    graph: {
      inputs: [float('x'), float('w', [COUNT])],
      initializers: [w],
      nodes: product,
    },
    files: ['w.bin'],
  },
  { where: 'a node Constant', graph: { nodes: [given, ...product] }, files: ['w.bin'] },
  { where: 'a subgraph', graph: eitherWay({ initializers: [w] }) },
  { where: 'a node Constant of a subgraph', graph: eitherWay({ nodes: [given, ...product] }) },
  {
    where: 'a function',
    graph: { nodes: [node('f', ['x'], 'y', { domain: 'd' })] },
    functions: [{ ...lessFive, inputs: ['x'], outputs: ['y'], nodes: [given, ...product] }],
  },
  {
    where: 'a sparse tensor',
    graph: {
      sparse: [{ values: w, indices: inFile(dataType.int64, 4 * COUNT, 8), dims: [2 * COUNT] }],
      nodes: product,
    },
  },
]) {
  // ONNX Runtime would read a file of the working directory, which was not measured.
  test(`large external data of ${where} is that which was measured`, async () => {
    const file = new Uint8Array(12 * COUNT);
    file.set(new Uint8Array(new Float32Array(COUNT).fill(2).buffer));
    const positions = BigInt64Array.from({ length: COUNT }, (_, i) => BigInt(i));
    file.set(new Uint8Array(positions.buffer), 4 * COUNT);
    const external = new Map([['w.bin', file]]);
    const bytes = encodeModel(ofOne(graph, functions));
    const written = executableModel(analyseModel({ path: 'm', bytes, external }), external);
    assert.deepEqual([...written.external.keys()], files);
    const source = { path: 'm', bytes: written.bytes, external: written.external };
    assert.equal(
      toHex(identifyModel(source).graph),
      toHex(identifyModel({ ...source, bytes, external }).graph),
    );
    const externalData = [...written.external].map(([path, data]) => ({ path, data }));
    const session = await InferenceSession.create(written.bytes, { externalData });
    const answer = Object.values(await session.run({ x: one }));
    await session.release();
    assert.deepEqual(
      [...(answer[0]?.data ?? [])],
      [Math.fround(1.0001) * 2 * COUNT].map(Math.fround),
    );
  });
}

test('of external data those files are given on that the model still refers to', async () => {
  const tensorIn = (location: string, length: number): TensorInit => ({
    name: location,
    type: dataType.float,
    dims: [length / 4],
    external: { location, offset: '0', length: String(length) },
  });
  const initializers = [tensorIn('empty', 0), tensorIn('small', 4), tensorIn('large', 8000)];
  const nodes = [
    node('Concat', ['x', 'empty', 'small', 'large'], 'y', { attributes: { axis: { i: 0 } } }),
  ];
  const bytes = encodeModel(ofOne({ initializers, nodes, outputs: [float('y', [2002])] }));
  const external = new Map([
    ['empty', new Uint8Array()],
    ['small', new Uint8Array(4)],
    ['large', new Uint8Array(8000)],
  ]);
  const written = executableModel(analyseModel({ path: 'm', bytes, external }), external);
  assert.deepEqual([...written.external.keys()], ['large']);
  const externalData = [...written.external].map(([path, data]) => ({ path, data }));
  const answer = await run(written.bytes, one, { externalData });
  assert.equal(answer.split(',').length, 2002);
});

test('the operators of a model are those that are executed, whatever its functions are called', () => {
  const If = node('If', ['no'], 'i', {
    attributes: {
      then_branch: { g: branch(node('Neg', ['x'], 'out')) },
      else_branch: { g: branch(node('Abs', ['x'], 'out'), node('Exp', ['x'], 'e')) },
    },
  });
  const called = (name: string, op: string): FunctionInit => ({
    ...{ domain: 'd', name, inputs: ['a'], outputs: ['b'], opsets: { '': 18 } },
    nodes: [
      node('Constant', [], 'c', { attributes: { value_float: { f: 1 } } }),
      node(op, ['a'], 'b'),
    ],
  });
  const nodes = [
    If,
    node('Loop', ['i'], 'y', { domain: 'd' }),
    node('RandomNormalLike', ['x'], 'r'),
    node('Scan', ['x'], 's', { domain: 'd' }),
  ];
  const initializers: TensorInit[] = [{ name: 'no', type: dataType.bool, dims: [], int32s: [0] }];
  const functions = [called('Loop', 'Relu'), called('Scan', 'Elu')];
  const bytes = encodeModel(ofOne({ initializers, nodes }, functions));
  const { operators } = executableModel(analyseModel({ path: 'm', bytes }));
  assert.deepEqual(operators, ['Abs', 'If', 'Neg', 'Relu']);
});

test('what is placed is no more than memory has room for, however often a file is named', () => {
  const size = 2 ** 25;
  const file = new Uint8Array(size + 4096).map((_, i) => i >> 2);
  const inGraph = (name: string, offset: number, length: number): TensorInit => ({
    name,
    type: dataType.float,
    dims: [length / 4],
    external: { location: 'w.bin', offset: String(offset), length: String(length) },
  });
  const large = Array.from({ length: 8 }, (_, i) => inGraph(`w${i}`, 4 * i, size));
  const uses = large.map(({ name = '' }) => node('ReduceSum', [name], `s_${name}`));
  const sums = uses.map(({ outputs }) => outputs[0] ?? '');
  const body = { ...branch(...uses, node('Sum', ['x', 's', ...sums], 'out')), initializers: large };
  const bytes = encodeModel(
    ofOne({
      initializers: [no, inGraph('small', 0, 4096)],
      nodes: [node('ReduceSum', ['small'], 's'), ifElse('x', body)],
    }),
  );
  const external = new Map([['w.bin', file]]);
  assert.throws(() => executable(bytes, external), {
    code: 'MODEL_TOO_COMPLEX',
    message: /placed in the model/,
  });
});

test('of imports neither the order counts, nor the version of what is not needed', () => {
  const written = (graph: Partial<GraphInit>, ...imports: (readonly [string, number])[]) =>
    executable(encodeModel({ ...ofOne(graph), opsets: Object.fromEntries(imports) }));
  const foreign = { nodes: [node('Op', ['x'], 'y', { domain: 'd' })] };
  const both = { nodes: [node('Op', ['x'], 'z', { domain: 'd' }), node('Neg', ['z'], 'y')] };
  assert.deepEqual(written(both, ['', 18], ['d', 1]), written(both, ['d', 1], ['', 18]));
  assert.deepEqual(written(foreign, ['', 18], ['d', 1]), written(foreign, ['d', 1], ['', 17]));
  assert.deepEqual(written(foreign, ['d', 1]), written(foreign, ['d', 1], ['', 17], ['e', 3]));
});

test('a model without operators is executed', async () => {
  const passing = { outputs: [float('x')] };
  const giving = { initializers: [constant('y', 7)] };
  for (const [graph, output] of [
    [passing, 'x'],
    [giving, 'y'],
  ] as const) {
    const session = await InferenceSession.create(executable(encodeModel(ofOne(graph))));
    const answer = await session.run({ x: one });
    assert.equal(answer[output]?.data[0], output === 'x' ? one.data[0] : 7);
    await session.release();
  }
});

test('what a function gives is looked at once, however often it is called', (t) => {
  const many = Array.from({ length: 300 }, (_, i) => `v${i}`);
  const wide: FunctionInit = {
    ...lessFive,
    outputs: many,
    nodes: many.map((name) => node('Neg', ['a'], name)),
  };
  const calls = many.map((name, i) => node('f', [many[i - 1] ?? 'x'], name, { domain: 'd' }));
  const nodes = [...calls, node('Neg', [many.at(-1) ?? 'x'], 'y')];
  const analysis = analyseModel({ path: 'm', bytes: encodeModel(ofOne({ nodes }, [wide])) });
  const resolved = t.mock.method(Scope.prototype, 'resolve');
  executableModel(analysis);
  const { length } = resolved.mock.calls;
  assert.ok(length < 20 * many.length, `${length} names were resolved`);
});

test('many functions take linear time', { timeout: 120_000 }, () => {
  const functions = Array.from({ length: 40_000 }, (_, i) => ({
    ...lessFive,
    name: `f${i}`,
    nodes: [node('Elu', ['a'], 'b', { attributes: { alpha: { f: i } } })],
  }));
  const value = (i: number): string => (i === 0 ? 'x' : i === functions.length ? 'y' : `v${i}`);
  const nodes = functions.map(({ name }, i) =>
    node(name, [value(i)], value(i + 1), { domain: 'd' }),
  );
  const { functions: written } = readModel(executable(encodeModel(ofOne({ nodes }, functions))));
  assert.equal(written.length, functions.length);
});

/** Random models, and what is executed of each. Their tensors are small, so that none is left in a file. */
const drawn = fc.sample(fc.integer(), { numRuns: 60, seed: 20261122 }).map((seed) => {
  const bytes = encodeModel(randomModel(randomFrom(seed)));
  return { seed, bytes, executed: executable(bytes) };
});

test('what is executed has the digest of the file, and is executed as it is', () => {
  for (const { seed, bytes, executed } of drawn) {
    assert.equal(graphOf(executed), graphOf(bytes), `seed ${seed}`);
    assert.deepEqual(executable(executed), executed, `seed ${seed}`);
  }
});

for (const { name, rewrite } of rewritings) {
  test(`what is executed is that of the file, also with ${name}`, () => {
    for (const { seed, executed } of drawn) {
      const random = randomFrom(seed);
      const { model, style, external = new Map() } = rewrite(randomModel(random), random);
      assert.deepEqual(executable(encodeModel(model, style), external), executed, `seed ${seed}`);
    }
  });
}

const integers = (...values: bigint[]): Tensor => new Tensor('int64', BigInt64Array.from(values));
const feeds = {
  x: integers(1n, -5n, 7n, 2n),
  y: integers(3n, 0n, -7n, 9n),
  c: new Tensor('bool', [true], []),
};

async function answersOf(
  model: Uint8Array,
  graphOptimizationLevel: 'disabled' | 'all',
): Promise<string> {
  const options = { logSeverityLevel: 4, graphOptimizationLevel } as const;
  const session = await InferenceSession.create(model, options);
  const answers = await session.run(feeds);
  await session.release();
  return Object.entries(answers)
    .map(([name, { data }]) => `${name}: ${data}`)
    .join('; ');
}

test('what is executed answers as the file does, whichever way the file is written', async () => {
  for (let seed = 0; seed < 60; seed++) {
    const random = randomFrom(seed);
    const model = randomComputation(random);
    const bytes = encodeModel(model);
    const executed = executable(bytes);
    // Optimised, ONNX Runtime ends the process over dead branches in functions, which only files have.
    const expected = await answersOf(bytes, 'disabled');
    assert.equal(await answersOf(executed, 'disabled'), expected, `seed ${seed}`);
    assert.equal(await answersOf(executed, 'all'), expected, `seed ${seed}`);
    for (const { name, rewrite } of rewritings) {
      const { model: other, style, external = new Map() } = rewrite(model, random);
      const rewritten = executable(encodeModel(other, style), external);
      assert.deepEqual(rewritten, executed, `seed ${seed}, ${name}`);
    }
  }
});
