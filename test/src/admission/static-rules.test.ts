import assert from 'node:assert/strict';
import { test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { analyseModel } from '../../../attestation/model/identity.js';
import { Needed } from '../../../attestation/model/needed.js';
import { nameOf } from '../../../attestation/model/tensor.js';
import { worstOf } from '../../../src/admission/finding.js';
import { supportOf } from '../../../src/admission/operators.js';
import { staticFindings } from '../../../src/admission/static-rules.js';
import { encodeModel } from '../../forge/onnx.js';
import type {
  Attributes,
  FunctionInit,
  GraphInit,
  ModelInit,
  NodeInit,
  TypeInit,
} from '../../forge/onnx-init.js';

const type: TypeInit = { tensor: 1, shape: ['N', 4] };

function model(node: NodeInit, rest: Partial<GraphInit> = {}): ModelInit {
  return {
    opsets: { '': 21, 'ai.onnx.ml': 3, 'com.microsoft': 1, 'com.example': 1 },
    graph: {
      inputs: [{ name: 'x', type }],
      nodes: [node],
      outputs: [{ name: 'y', type }],
      ...rest,
    },
  };
}

const op = (name: string, rest: Partial<NodeInit> = {}): NodeInit => ({
  op: name,
  name: 'here',
  inputs: ['x'],
  outputs: ['y'],
  ...rest,
});

type Case = readonly [init: ModelInit, expected: readonly string[]];

/** A Pad by constants. */
const padding = (int64s: readonly number[], mode = 'wrap', domain = ''): ModelInit =>
  model(op('Pad', { domain, inputs: ['x', 'pads'], attributes: { mode: { s: mode } } }), {
    initializers: [{ name: 'pads', type: 7, dims: [int64s.length], int64s: [...int64s] }],
  });

const classifying = (name: string, transform: string, labels: string, count: number): ModelInit =>
  model(
    op(name, {
      domain: 'ai.onnx.ml',
      outputs: ['label', 'y'],
      attributes: {
        post_transform: { s: transform },
        [labels]: { ints: Array.from({ length: count }, (_, i) => i) },
      },
    }),
  );

/** Trees with labels that are text. */
const labelled = (strings: readonly string[]): ModelInit =>
  model(
    op('TreeEnsembleClassifier', {
      domain: 'ai.onnx.ml',
      outputs: ['label', 'y'],
      attributes: { classlabels_strings: { strings: [...strings] } },
    }),
  );

/** Two 1-grams and two 2-grams. */
const grams = (longest: number): Attributes => ({
  pool_int64s: { ints: [1, 2, 3, 4, 1, 2] },
  ngram_counts: { ints: [0, 2] },
  max_gram_length: { i: longest },
});

const gathering = (indexes: number, longest: number): ModelInit =>
  model(
    op('TfIdfVectorizer', {
      attributes: {
        ...grams(longest),
        ngram_indexes: { ints: Array.from({ length: indexes }, (_, i) => i) },
      },
    }),
  );

/** Of an encoder with so many inputs. */
const searching = (longest: string, inputs: number): ModelInit => {
  const encoder = {
    inputs: ['a', 'b', 'c'].slice(0, inputs).map((name) => ({ name, type })),
    nodes: [op('Identity', { inputs: ['a'], outputs: ['e'] })],
    outputs: [{ name: 'e', type }],
  };
  const search = op('BeamSearch', {
    domain: 'com.microsoft',
    inputs: ['x', longest],
    attributes: { model_type: { i: 1 }, encoder: { g: encoder } },
  });
  const number = (name: string, value: number) => ({ name, type: 6, dims: [1], int32s: [value] });
  return model(search, {
    initializers: [number('two', 2), number('three', 3)],
    nodes: [op('Max', { inputs: ['x', 'three'], outputs: ['longer'] }), search],
  });
};

/** Recordings, and the tokens that are begun with for one of them. */
const listening = (recordings: TypeInit): ModelInit => {
  const rest = Array.from({ length: 9 }, () => '');
  return model(
    op('WhisperBeamSearch', { domain: 'com.microsoft', inputs: ['x', ...rest, 'first'] }),
    {
      inputs: [{ name: 'x', type: recordings }],
      initializers: [{ name: 'first', type: 6, dims: [1, 2], int32s: [1, 2] }],
    },
  );
};

const choosing = (attributes: Attributes): ModelInit =>
  model(op('QMoE', { domain: 'com.microsoft', inputs: 'x,x,x,x,,x,x'.split(','), attributes }));

/** A tree, each of whose nodes is that above it when true, unless it is said whose it is. */
const growing = (
  nodes: number,
  above: (at: number) => number = (at) => at - 1,
  tree: (at: number) => number = () => 0,
  belowLeaves = 0,
): ModelInit => {
  const places = Array.from({ length: nodes }, (_, at) => at);
  const below = places.map((): number[] => []);
  for (const at of places.slice(1)) below[above(at)]?.push(at);
  return model(
    op('TreeEnsembleRegressor', {
      domain: 'ai.onnx.ml',
      attributes: {
        nodes_treeids: { ints: places.map(tree) },
        nodes_nodeids: { ints: places },
        nodes_modes: { strings: below.map(({ length }) => (length === 0 ? 'LEAF' : 'BRANCH_LEQ')) },
        nodes_truenodeids: { ints: below.map(([child = belowLeaves]) => child) },
        nodes_falsenodeids: { ints: below.map(([, child = 0]) => child) },
      },
    }),
  );
};

const growingLater = (nodes: number): ModelInit => {
  const places = Array.from({ length: nodes }, (_, at) => at);
  const trees = op('TreeEnsemble', {
    domain: 'ai.onnx.ml',
    attributes: {
      nodes_truenodeids: { ints: places.map((at) => (at + 1) % nodes) },
      nodes_trueleafs: { ints: places.map((at) => (at + 1 === nodes ? 1 : 0)) },
      nodes_falsenodeids: { ints: places.map(() => 0) },
      nodes_falseleafs: { ints: places.map(() => 1) },
      tree_roots: { ints: [0] },
    },
  });
  return { ...model(trees), opsets: { '': 21, 'ai.onnx.ml': 5 } };
};

/** Functions each of which calls the one before it. */
const calling = (count: number): ModelInit => {
  const call = (at: number, rest: Partial<NodeInit> = {}): NodeInit =>
    at < 0 ? op('Relu', rest) : op(`F${at}`, { domain: 'com.example', ...rest });
  return {
    ...model(call(count - 1)),
    functions: Array.from({ length: count }, (_, at) => ({
      domain: 'com.example',
      name: `F${at}`,
      inputs: ['a'],
      outputs: ['b'],
      opsets: { '': 21, 'com.example': 1 },
      nodes: [call(at - 1, { inputs: ['a'], outputs: ['b'] })],
    })),
  };
};

const featuring = (sizes: readonly number[]): ModelInit =>
  model(
    op('FeatureVectorizer', {
      domain: 'ai.onnx.ml',
      inputs: ['x', 'x'],
      attributes: { inputdimensions: { ints: [...sizes] } },
    }),
  );

/** By operator of com.microsoft, its inputs and its outputs: the rule that refuses it. */
function attending(of: Readonly<Record<string, string | null>>): Readonly<Record<string, Case>> {
  return Object.fromEntries(
    Object.entries(of).map(([text, rule]): [string, Case] => {
      const [name = '', inputs = '', outputs = ''] = text.split(' ');
      const node = {
        domain: 'com.microsoft',
        inputs: inputs.split(','),
        outputs: outputs.split(','),
      };
      const warned = `warn static.operator ${name} "here"`;
      const refused = rule === null ? [] : [`refuse static.${rule} ${name} "here"`];
      return [text, [model(op(name, node)), [warned, ...refused]]];
    }),
  );
}

function judge(init: ModelInit): string[] {
  const findings = staticFindings(analyseModel({ path: 'm', bytes: encodeModel(init) }));
  return findings
    .filter(({ outcome }) => outcome !== 'pass')
    .map(({ rule, outcome, nodes }) => [outcome, rule, ...nodes].join(' '));
}

const flag = (name: string, value: number) => ({
  name,
  type: 9,
  dims: [],
  int32s: [value],
});

/** A function whose Dropout is told not to train, by a constant of its own that is called `mode`. */
const quiet: FunctionInit = {
  domain: 'com.example',
  name: 'Own',
  inputs: ['a'],
  outputs: ['b'],
  opsets: { '': 21 },
  nodes: [
    op('Constant', { inputs: [], outputs: ['mode'], attributes: { value: { t: flag('', 0) } } }),
    op('Dropout', { inputs: ['a', '', 'mode'], outputs: ['b'] }),
  ],
};

/** A function whose BatchNormalization is told by the call whether to train, or by a default. */
const normalizing = (defaults: Attributes): FunctionInit => ({
  domain: 'com.example',
  name: 'Own',
  inputs: ['a'],
  outputs: ['b'],
  ...('mode' in defaults ? { defaults } : { attributes: ['mode'] }),
  opsets: { '': 21 },
  nodes: [
    op('BatchNormalization', {
      inputs: ['a', 'a', 'a', 'a', 'a'],
      outputs: ['b'],
      attributes: { training_mode: { ref: 'mode', type: 2 } },
    }),
  ],
});

/** With so many outputs of one dimension, each of which takes eight items of a manifest. */
function withOutputs(count: number): ModelInit {
  const outputs = Array.from({ length: count }, (_, i) => `y${i}`);
  return model(op('Split', { outputs }), {
    outputs: outputs.map((name) => ({ name, type: { tensor: 1, shape: ['N'] } })),
  });
}

const lower = (locale: string): Attributes => ({
  case_change_action: { s: 'LOWER' },
  locale: { s: locale },
});
const words: Attributes = { stopwords: { strings: ['a'] } };

/** A function whose StringNormalizer is told by the call what to do. */
const cased: FunctionInit = {
  domain: 'com.example',
  name: 'Own',
  inputs: ['a'],
  outputs: ['b'],
  attributes: ['action'],
  opsets: { '': 21 },
  nodes: [
    op('StringNormalizer', {
      inputs: ['a'],
      outputs: ['b'],
      attributes: { case_change_action: { ref: 'action', type: 3 } },
    }),
  ],
};

/** Of opset 9, which trains where more outputs are asked for than one. */
const older = (outputs: readonly string[]): ModelInit => ({
  ...model(op('BatchNormalization', { inputs: ['x', 'x', 'x', 'x', 'x'], outputs })),
  opsets: { '': 9 },
});

const cases: Readonly<Record<string, Case>> = {
  'a plain operator': [model(op('Relu')), []],
  'an operator that does not exist': [model(op('Relux')), ['refuse static.operator Relux "here"']],
  'operators named as members of every object, by which integers are divided': [
    model(op('Relu'), {
      nodes: [
        op('Cast', { attributes: { to: { i: 7 } }, outputs: ['i'] }),
        op('constructor', { inputs: ['i'], outputs: ['j'] }),
        op('toString', { inputs: ['j'], outputs: ['k'] }),
        op('Div', { inputs: ['i', 'k'], outputs: ['y'] }),
      ],
    }),
    [
      'refuse static.operator constructor "here"',
      'refuse static.operator toString "here"',
      'refuse static.division Div "here"',
    ],
  ],
  'an operator after its kernel’s last version': [
    { ...model(op('MaxRoiPool', { inputs: ['x', 'x'] })), opsets: { '': 22 } },
    ['refuse static.operator MaxRoiPool "here"'],
  ],
  'an operator before its first version': [
    { ...model(op('Gelu')), opsets: { '': 19 } },
    ['refuse static.operator Gelu "here"'],
  ],
  'a custom operator': [
    model(op('Own', { domain: 'com.example' })),
    ['refuse static.operator Own "here"'],
  ],
  'a contributed operator': [
    model(op('Gelu', { domain: 'com.microsoft' })),
    ['warn static.operator Gelu "here"'],
  ],
  'a function of the model’s own': [
    {
      ...model(op('Own', { domain: 'com.example' })),
      functions: [
        {
          domain: 'com.example',
          name: 'Own',
          inputs: ['a'],
          outputs: ['b'],
          opsets: { '': 21 },
          nodes: [op('Relu', { inputs: ['a'], outputs: ['b'] })],
        },
      ],
    },
    [],
  ],
  'an unsupported operator in a function': [
    {
      ...model(op('Own', { domain: 'com.example' })),
      functions: [
        {
          domain: 'com.example',
          name: 'Own',
          inputs: ['a'],
          outputs: ['b'],
          opsets: { '': 21 },
          nodes: [op('Relux', { inputs: ['a'], outputs: ['b'] })],
        },
      ],
    },
    ['refuse static.operator Relux "here"'],
  ],
  'an opset from the future': [
    { ...model(op('Relu')), opsets: { '': 27 } },
    ['refuse static.opset'],
  ],
  'a type that callers cannot send': [
    model(op('Relu'), { inputs: [{ name: 'x', type: { tensor: 16, shape: [1] } }] }),
    ['refuse static.types tensor(bfloat16) "x"'],
  ],
  'a sequence as output': [
    model(op('SequenceConstruct'), { outputs: [{ name: 'y', type: { sequence: type } }] }),
    ['refuse static.types seq(tensor(float)) "y"'],
  ],
  'dynamic inner dimensions': [
    model(op('Relu'), { inputs: [{ name: 'x', type: { tensor: 1, shape: ['N', 'M'] } }] }),
    ['warn static.dimensions "x" [N,M]'],
  ],
  'an input of any rank': [
    model(op('Relu'), { inputs: [{ name: 'x', type: { tensor: 1 } }] }),
    ['warn static.dimensions "x" [any rank]'],
  ],
  'random numbers': [
    model(op('RandomNormalLike', { attributes: { seed: { f: 1 } } })),
    ['refuse static.random RandomNormalLike "here"'],
  ],
  'Dropout for inference': [model(op('Dropout')), []],
  'Dropout told not to train': [
    model(op('Dropout', { inputs: ['x', '', 'mode'] }), { initializers: [flag('mode', 0)] }),
    [],
  ],
  'Dropout told by more than one value': [
    model(op('Dropout', { inputs: ['x', '', 'mode'] }), {
      initializers: [{ ...flag('mode', 0), dims: [2], int32s: [0, 0] }],
    }),
    ['refuse static.training Dropout "here"'],
  ],
  'Dropout told to train': [
    model(op('Dropout', { inputs: ['x', '', 'mode'] }), { initializers: [flag('mode', 1)] }),
    ['refuse static.training Dropout "here"'],
  ],
  'Dropout told to train, where a function calls another value so': [
    {
      ...model(op('Relu'), {
        initializers: [flag('mode', 1)],
        nodes: [
          op('Dropout', { inputs: ['x', '', 'mode'], outputs: ['h'] }),
          op('Own', { domain: 'com.example', inputs: ['h'] }),
        ],
      }),
      functions: [quiet],
    },
    ['refuse static.training Dropout "here"'],
  ],
  'Dropout told not to train in a function, where the graph calls another value so': [
    {
      ...model(op('Own', { domain: 'com.example' }), { initializers: [flag('mode', 1)] }),
      functions: [quiet],
    },
    [],
  ],
  'Dropout that callers can tell to train': [
    model(op('Dropout', { inputs: ['x', '', 'mode'] }), {
      inputs: [
        { name: 'x', type },
        { name: 'mode', type: { tensor: 9, shape: [] } },
      ],
      initializers: [flag('mode', 0)],
    }),
    ['refuse static.training Dropout "here"'],
  ],
  'Dropout for which it is computed': [
    model(op('Dropout', { inputs: ['x', '', 'mode'] }), {
      initializers: [flag('off', 0)],
      nodes: [
        { op: 'Not', inputs: ['off'], outputs: ['mode'] },
        op('Dropout', { inputs: ['x', '', 'mode'] }),
      ],
    }),
    ['refuse static.training Dropout "here"'],
  ],
  'BatchNormalization before opset 14 with outputs of training': [
    older(['y', 'm', 'v', 's', 't']),
    ['refuse static.training BatchNormalization "here"'],
  ],
  'BatchNormalization before opset 14 with outputs of training left out': [
    older(['y', '', '', '', '']),
    ['refuse static.fatal BatchNormalization "here"'],
  ],
  'BatchNormalization before opset 14 with outputs of training, saved ones left out': [
    older(['y', 'm', 'v', '', '']),
    ['refuse static.training BatchNormalization "here"'],
  ],
  'BatchNormalization in training': [
    model(op('BatchNormalization', { attributes: { training_mode: { i: 1 } } })),
    ['refuse static.training BatchNormalization "here"'],
  ],
  'BatchNormalization for inference, in so many words': [
    model(op('BatchNormalization', { attributes: { training_mode: { i: 0 } } })),
    [],
  ],
  'BatchNormalization in training, as its function is called': [
    {
      ...model(op('Own', { domain: 'com.example', attributes: { mode: { i: 1 } } })),
      functions: [normalizing({})],
    },
    ['refuse static.training BatchNormalization "here"'],
  ],
  'BatchNormalization in training, as is the default of its function': [
    {
      ...model(op('Own', { domain: 'com.example' })),
      functions: [normalizing({ mode: { i: 1 } })],
    },
    ['refuse static.training BatchNormalization "here"'],
  ],
  'a Split that leaves out an output': [
    model(op('Split', { outputs: ['y', ''], attributes: { num_outputs: { i: 2 } } })),
    ['refuse static.fatal Split "here"'],
  ],
  'a Split that leaves out an output in a function': [
    {
      ...model(op('Own', { domain: 'com.example' })),
      functions: [
        {
          ...quiet,
          nodes: [op('Split', { inputs: ['a'], outputs: ['', 'b'] })],
        },
      ],
    },
    ['refuse static.fatal Split "here"'],
  ],
  'a Loop that leaves out the last value of a variable': [
    model(op('Loop', { inputs: ['', '', 'x'], outputs: ['', 'y'] })),
    ['refuse static.fatal Loop "here"'],
  ],
  'outputs that are left out and that no kernel writes to': [
    model(op('LSTM', { inputs: ['x', 'x', 'x'], outputs: ['', 'y', ''] })),
    [],
  ],
  'trees with one label that is text': [
    labelled(['a']),
    [
      'warn static.trees TreeEnsembleClassifier "here"',
      'refuse static.fatal TreeEnsembleClassifier "here"',
    ],
  ],
  'trees with two labels that are text': [
    labelled(['a', 'b']),
    ['warn static.trees TreeEnsembleClassifier "here"'],
  ],
  'trees with one label that is a number': [
    classifying('TreeEnsembleClassifier', 'NONE', 'classlabels_int64s', 1),
    ['warn static.trees TreeEnsembleClassifier "here"'],
  ],
  'trees of many levels': [growing(3000), ['warn static.trees TreeEnsembleRegressor "here"']],
  'trees of more levels than a stack has room for': [
    growing(3001),
    [
      'warn static.trees TreeEnsembleRegressor "here"',
      'refuse static.fatal TreeEnsembleRegressor "here"',
    ],
  ],
  'trees whose nodes come in turns, of more levels than a stack has room for': [
    growing(
      6002,
      (at) => at - 2,
      (at) => at % 2,
    ),
    [
      'warn static.trees TreeEnsembleRegressor "here"',
      'refuse static.fatal TreeEnsembleRegressor "here"',
    ],
  ],
  'trees of many levels below what a leaf names': [
    growing(
      3003,
      (at) => (at === 3002 ? 0 : at - 1),
      () => 0,
      1501,
    ),
    [
      'warn static.trees TreeEnsembleRegressor "here"',
      'refuse static.fatal TreeEnsembleRegressor "here"',
    ],
  ],
  'trees of a later opset of many levels': [
    growingLater(3000),
    ['warn static.trees TreeEnsemble "here"'],
  ],
  'trees of a later opset of more levels than a stack has room for': [
    growingLater(3001),
    ['warn static.trees TreeEnsemble "here"', 'refuse static.fatal TreeEnsemble "here"'],
  ],
  'a tree of many nodes, side by side': [
    growing(3001, (at) => Math.floor((at - 1) / 2)),
    ['warn static.trees TreeEnsembleRegressor "here"'],
  ],
  'functions that call each other': [calling(500), []],
  'functions that call each other more often than a stack has room for': [
    calling(501),
    ['refuse static.fatal F0 "here"'],
  ],
  'n-grams of which one has no index': [
    gathering(3, 2),
    ['refuse static.fatal TfIdfVectorizer "here"'],
  ],
  'n-grams that each have an index': [gathering(4, 2), []],
  'n-grams without an index that are longer than is looked for': [gathering(2, 1), []],
  'indexes of n-grams that a call says': [
    {
      ...model(op('Own', { domain: 'com.example', attributes: { of: { ints: [0, 1] } } })),
      functions: [
        {
          ...quiet,
          attributes: ['of'],
          nodes: [
            op('TfIdfVectorizer', {
              inputs: ['a'],
              outputs: ['b'],
              attributes: { ...grams(2), ngram_indexes: { ref: 'of', type: 7 } },
            }),
          ],
        },
      ],
    },
    ['refuse static.fatal TfIdfVectorizer "here"'],
  ],
  'places that are counted from the end of a batch': [
    model(op('GatherND', { inputs: ['x', 'x'], attributes: { batch_dims: { i: -2 } } })),
    ['refuse static.fatal GatherND "here"'],
  ],
  'places in a batch': [
    model(op('GatherND', { inputs: ['x', 'x'], attributes: { batch_dims: { i: 1 } } })),
    [],
  ],
  'a convolution of steps over several axes': [
    model(
      op('CausalConvWithState', {
        domain: 'com.microsoft',
        inputs: ['x', 'x'],
        attributes: { ndim: { i: 3 } },
      }),
    ),
    [
      'warn static.operator CausalConvWithState "here"',
      'refuse static.fatal CausalConvWithState "here"',
    ],
  ],
  'features of a negative size': [
    featuring([3, -2]),
    ['refuse static.fatal FeatureVectorizer "here"'],
  ],
  'features of a size': [featuring([3, 2]), []],
  'an operator of another domain that is called Split': [
    model(op('Split', { domain: 'com.example', outputs: ['', 'y'] })),
    ['refuse static.operator Split "here"'],
  ],
  'a Split of which one output is not used': [model(op('Split', { outputs: ['z', 'y'] })), []],
  'a Pad that wraps by more than one before an axis': [
    padding([0, 2, 0, 0]),
    ['refuse static.unwritten Pad "here"'],
  ],
  'a Pad that wraps by what a caller says': [
    model(op('Pad', { inputs: ['x', 'x'], attributes: { mode: { s: 'wrap' } } })),
    ['refuse static.unwritten Pad "here"'],
  ],
  'a Pad that wraps by what a sparse constant has': [
    model(op('Pad', { inputs: ['x', 'pads'], attributes: { mode: { s: 'wrap' } } }), {
      sparse: [
        {
          values: { name: 'pads', type: 7, dims: [2], int64s: [1, 9] },
          indices: { name: '', type: 7, dims: [2], int64s: [0, 1] },
          dims: [4],
        },
      ],
    }),
    ['refuse static.unwritten Pad "here"'],
  ],
  'a Pad of com.microsoft that wraps by more than one before an axis': [
    padding([0, 2, 0, 0], 'wrap', 'com.microsoft'),
    ['warn static.operator Pad "here"', 'refuse static.unwritten Pad "here"'],
  ],
  'a Pad that names no mode': [model(op('Pad', { inputs: ['x', 'x'] })), []],
  'a Pad in a mode that its call says': [
    {
      ...model(op('Own', { domain: 'com.example', attributes: { mode: { s: 'wrap' } } })),
      functions: [
        {
          ...quiet,
          attributes: ['mode'],
          nodes: [
            op('Pad', {
              inputs: ['a', 'a'],
              outputs: ['b'],
              attributes: { mode: { ref: 'mode', type: 3 } },
            }),
          ],
        },
      ],
    },
    ['refuse static.unwritten Pad "here"'],
  ],
  'a Pad that wraps by one, or behind an axis, or cuts': [padding([1, -2, 9, 1]), []],
  'a Pad that wraps by more numbers than there are axes': [
    padding(new Array<number>(130).fill(0)),
    ['refuse static.unwritten Pad "here"'],
  ],
  'a Pad in another mode': [padding([2, 2, 2, 2], 'edge'), []],
  'two classes under the transform PROBIT': [
    classifying('LinearClassifier', 'PROBIT', 'classlabels_ints', 2),
    ['refuse static.unwritten LinearClassifier "here"'],
  ],
  'two classes of trees under the transform PROBIT': [
    classifying('TreeEnsembleClassifier', 'PROBIT', 'classlabels_int64s', 2),
    [
      'warn static.trees TreeEnsembleClassifier "here"',
      'refuse static.unwritten TreeEnsembleClassifier "here"',
    ],
  ],
  'as many classes as a call says under the transform PROBIT': [
    {
      ...model(op('Own', { domain: 'com.example', attributes: { of: { ints: [0, 1] } } })),
      functions: [
        {
          ...quiet,
          attributes: ['of'],
          opsets: { 'ai.onnx.ml': 3 },
          nodes: [
            op('SVMClassifier', {
              domain: 'ai.onnx.ml',
              inputs: ['a'],
              outputs: ['label', 'b'],
              attributes: {
                post_transform: { s: 'PROBIT' },
                classlabels_ints: { ref: 'of', type: 7 },
              },
            }),
          ],
        },
      ],
    },
    ['refuse static.unwritten SVMClassifier "here"'],
  ],
  'classes that are not named under the transform PROBIT': [
    classifying('SVMClassifier', 'PROBIT', 'of_another_name', 3),
    ['refuse static.unwritten SVMClassifier "here"'],
  ],
  'three classes under the transform PROBIT': [
    classifying('SVMClassifier', 'PROBIT', 'classlabels_ints', 3),
    [],
  ],
  'two classes under another transform': [
    classifying('SVMClassifier', 'LOGISTIC', 'classlabels_ints', 2),
    [],
  ],
  ...attending({
    'GroupQueryAttention x,x,x,x,x y,k,v': null,
    'GroupQueryAttention x,x,x,x,x y,k': 'unwritten',
    'GroupQueryAttention x,x,x,,,x,x y': 'unwritten',
    'GroupQueryAttention x,x,x,,,x,x y,k': 'unwritten',
    'GroupQueryAttention x,x,x,,,x,x y,k,v': null,
    'GroupQueryAttention x,x,x,x,x y,k,v,q': 'unwritten',
    'MultiHeadAttention x,x,x,,,,x,x y,k,v': null,
    'MultiHeadAttention x,x,x,,,,x,x y,,v': 'unwritten',
    'MultiHeadAttention x,x,x,,,,x,x y': null,
    'MultiHeadAttention x,x,x,,,,x,x y,,,q': 'unwritten',
    'MultiHeadAttention x,x,x,,,,x,x y,k,v,q': null,
    'MultiHeadAttention x,x,x,,,,x,x,x y,k,v': 'overrun',
    'MultiHeadAttention x,x,x y,k': null,
    'Attention x,x,,x y': 'fatal',
    'Attention x,x,x y': null,
    'AttnLSTM x,x,x,,,,,,x,x,x,x y': null,
    'AttnLSTM x,x,x,,,,,,x,,x,x y': 'fatal',
    'CausalConvWithState x,x y': null,
    'ConvTransposeWithDynamicPads x,x y': 'fatal',
    'ConvTransposeWithDynamicPads x,x,x y': null,
    'QLinearLeakyRelu x,x,,x y': 'fatal',
    'QLinearLeakyRelu x,x,,x,x y': null,
    'QLinearSigmoid x,x,,x y': 'fatal',
    'QLinearSigmoid x,x,,x,x y': null,
    'QMoE x,x,x,x,,x y': 'fatal',
    'QMoE x,x,x,x,,x,x y': null,
    'DecoderMaskedMultiHeadAttention x,x,x,,,x,x,x y,k,v': 'overrun',
    'DecoderMaskedMultiHeadAttention x,x,x y': null,
    'WordConvEmbedding x,x,x,x y': 'unwritten',
    'GreedySearch x,x,x y': 'unwritten',
    'BeamSearch x,x,x y,s': null,
    'BeamSearch x,x,x y,,t': 'unwritten',
    'WhisperBeamSearch x,x,x y,s': null,
    'WhisperBeamSearch x,x,x y,s,t': 'unwritten',
  }),
  'quantized experts with fused gates': [
    choosing({ activation_type: { s: 'swiglu' }, swiglu_fusion: { i: 1 } }),
    ['warn static.operator QMoE "here"'],
  ],
  'quantized experts without gates': [
    choosing({ activation_type: { s: 'silu' }, swiglu_fusion: { i: 0 } }),
    ['warn static.operator QMoE "here"'],
  ],
  'quantized experts without gates that are read as if fused with them': [
    choosing({ swiglu_fusion: { i: 1 } }),
    ['warn static.operator QMoE "here"', 'refuse static.unwritten QMoE "here"'],
  ],
  'a search of T5 that may end at its first token': [
    searching('x', 3),
    ['warn static.operator BeamSearch "here"', 'refuse static.unwritten BeamSearch "here"'],
  ],
  'a search of T5 that ends at its first token': [
    searching('two', 3),
    ['warn static.operator BeamSearch "here"', 'refuse static.unwritten BeamSearch "here"'],
  ],
  'a search of T5 that may not end at its first token': [
    searching('longer', 3),
    ['warn static.operator BeamSearch "here"'],
  ],
  'a search of T5 of constant length': [
    searching('three', 3),
    ['warn static.operator BeamSearch "here"'],
  ],
  'a search of T5 of which the encoder finds no token': [
    searching('x', 2),
    ['warn static.operator BeamSearch "here"'],
  ],
  'tokens for as many recordings as callers send': [
    listening({ tensor: 1, shape: ['N', 80, 3000] }),
    [
      'warn static.operator WhisperBeamSearch "here"',
      'refuse static.fatal WhisperBeamSearch "here"',
    ],
  ],
  'tokens for one recording': [
    listening({ tensor: 1, shape: [1, 80, 3000] }),
    ['warn static.operator WhisperBeamSearch "here"'],
  ],
  'as many outputs as a manifest has room for': [withOutputs(16_370), []],
  'more outputs than a manifest has room for': [withOutputs(16_384), ['refuse static.manifest']],
  'training graphs': [
    { ...model(op('Relu')), training: [{ nodes: [], outputs: [] }] },
    ['warn static.training-info'],
  ],
  "another case by the machine's locales": [
    model(op('StringNormalizer', { attributes: { case_change_action: { s: 'UPPER' } } })),
    ['refuse static.locale StringNormalizer "here"'],
  ],
  'another case by a locale that machines have or not': [
    model(op('StringNormalizer', { attributes: lower('de_DE.UTF-8') })),
    ['refuse static.locale StringNormalizer "here"'],
  ],
  'another case by the fixed locale': [
    model(op('StringNormalizer', { attributes: lower('C') })),
    [],
  ],
  'no other case': [
    model(op('StringNormalizer', { attributes: { case_change_action: { s: 'NONE' } } })),
    [],
  ],
  'words left out in either case': [
    model(op('StringNormalizer', { attributes: { ...words, is_case_sensitive: { i: 0 } } })),
    ['refuse static.locale StringNormalizer "here"'],
  ],
  'words left out in their own case': [model(op('StringNormalizer', { attributes: words })), []],
  'a case that the call of a function says': [
    { ...model(op('Own', { domain: 'com.example' })), functions: [cased] },
    ['refuse static.locale StringNormalizer "here"'],
  ],
  'rows that mix': [
    model(op('DynamicQuantizeLinear')),
    ['warn static.batch DynamicQuantizeLinear "here"'],
  ],
  'rows that mix in a contributed operator': [
    model(op('DynamicQuantizeMatMul', { domain: 'com.microsoft' })),
    [
      'warn static.operator DynamicQuantizeMatMul "here"',
      'warn static.batch DynamicQuantizeMatMul "here"',
    ],
  ],
  'a contributed operator that draws': [
    model(op('Sampling', { domain: 'com.microsoft' })),
    [
      'warn static.operator Sampling "here"',
      'refuse static.random Sampling "here"',
      'refuse static.unwritten Sampling "here"',
    ],
  ],
  'a tree ensemble': [
    model(op('TreeEnsembleRegressor', { domain: 'ai.onnx.ml' })),
    ['warn static.trees TreeEnsembleRegressor "here"'],
  ],
};

for (const [what, [init, expected]] of Object.entries(cases)) {
  test(`${what}: ${expected.length === 0 ? 'admitted' : expected.join(', ')}`, () => {
    assert.deepEqual(judge(init), expected);
  });
}

const plain = model(op('Relu'));
const beside = (...nodes: NodeInit[]): ModelInit =>
  model(op('Relu'), { nodes: [op('Relu'), ...nodes] });
const unused: NodeInit = { op: 'RandomNormalLike', inputs: ['x'], outputs: ['r'] };
const graphOf = (init: ModelInit): string =>
  toHex(analyseModel({ path: 'm', bytes: encodeModel(init) }).identity.graph);

/** Files of one computation: they are judged alike. */
const notExecuted: Readonly<Record<string, ModelInit>> = {
  'random numbers': beside(unused),
  'an operator that does not exist': beside({ ...unused, op: 'Relux' }),
  'a custom operator': beside({ ...unused, domain: 'com.example' }),
  'a tree ensemble, and rows that mix': beside(
    { ...unused, op: 'DynamicQuantizeLinear' },
    { ...unused, op: 'TreeEnsembleRegressor', domain: 'ai.onnx.ml', outputs: ['s'] },
  ),
  'a Split that leaves out an output': beside({ ...unused, op: 'Split', outputs: ['', 's'] }),
  'training mode': beside({
    ...unused,
    op: 'BatchNormalization',
    attributes: { training_mode: { i: 1 } },
  }),
  'random numbers in a subgraph': beside({
    ...unused,
    op: 'If',
    attributes: { then_branch: { g: { nodes: [unused], outputs: [{ name: 'r' }] } } },
    outputs: ['s'],
  }),
  'a function that draws random numbers': {
    ...plain,
    functions: [{ ...quiet, nodes: [{ ...unused, inputs: ['a'], outputs: ['b'] }] }],
  },
  'the operators of an opset from the future': {
    ...plain,
    opsets: { ...plain.opsets, 'ai.onnx.ml': 99 },
  },
};

for (const [what, init] of Object.entries(notExecuted)) {
  test(`${what}, not executed: admitted`, () => {
    assert.equal(graphOf(init), graphOf(plain));
    assert.deepEqual(judge(init), []);
  });
}

test('the worst rule decides', () => {
  const analyse = (init: ModelInit) => analyseModel({ path: 'm', bytes: encodeModel(init) });
  const worst = (init: ModelInit) => worstOf(staticFindings(analyse(init)));
  assert.equal(worst(model(op('Relu'))), 'pass');
  assert.equal(worst(model(op('DynamicQuantizeLinear'))), 'warn');
  assert.equal(worst(model(op('Multinomial'))), 'refuse');
});

test('what is executed is found once for all rules, and the constants with it', (t) => {
  const analysis = analyseModel({ path: 'm', bytes: encodeModel(model(op('Pad'))) });
  const found = t.mock.method(Needed.prototype, 'addOutputs');
  staticFindings(analysis);
  assert.ok(found.mock.callCount() <= 2, `${found.mock.callCount()} times`);
});

test('the nodes of one finding are counted, and the first are named', () => {
  const nodes = Array.from({ length: 50 }, (_, i) =>
    op('Relux', {
      name: `n${i}`,
      inputs: [i === 0 ? 'x' : `v${i - 1}`],
      outputs: [i === 49 ? 'y' : `v${i}`],
    }),
  );
  const init = model(op('Relu'), { nodes });
  const found = staticFindings(analyseModel({ path: 'm', bytes: encodeModel(init) }));
  const [refused] = found.filter(({ outcome }) => outcome === 'refuse');
  assert.equal(refused?.count, 50);
  assert.equal(refused?.nodes.length, 20);
});

test('a tensor that the runtime does not take from memory is refused, where an output needs it', () => {
  const judged = (bytes: number, ...large: readonly string[]) => {
    const initializers = [flag('used', 0), flag('dead', 0)];
    const init = model(op('Dropout', { inputs: ['x', '', 'used'] }), { initializers });
    const analysis = analyseModel({ path: 'm', bytes: encodeModel(init) });
    for (const constant of analysis.model.graph.initializers) {
      if (large.includes(nameOf(constant))) Object.assign(constant, { dims: [bytes] });
    }
    return staticFindings(analysis)
      .filter(({ outcome }) => outcome === 'refuse')
      .map(({ rule, nodes }) => [rule, ...nodes].join(' '));
  };
  assert.deepEqual(judged(2 ** 31, 'used'), []);
  assert.deepEqual(judged(2 ** 31 + 1, 'dead'), []);
  const refused = ['static.tensor-size BOOL "used" of 2147483649 bytes'];
  assert.deepEqual(judged(2 ** 31 + 1, 'used', 'dead'), refused);
});

test('operators are looked up at the version that an import means', () => {
  assert.equal(supportOf('', 'Constant', 21), 'supported');
  assert.equal(supportOf('', 'Add', 6), 'unsupported-version');
  assert.equal(supportOf('', 'Add', 7), 'supported');
  assert.equal(supportOf('', 'Upsample', 10), 'unsupported-version');
  assert.equal(supportOf('', 'NoSuch', 21), 'unknown-operator');
  assert.equal(supportOf('org.example', 'Add', 21), 'unknown-domain');
});
