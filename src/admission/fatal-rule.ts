import { streamList } from '../../attestation/model/attribute.js';
import { executedNodes } from '../../attestation/model/called-functions.js';
import type { ModelAnalysis } from '../../attestation/model/identity.js';
import type { Scope } from '../../attestation/model/scope.js';
import type { AttributeView, NodeView } from '../../attestation/model/views.js';
import { attributeOf, eachInteger, intAttribute } from './attributes.js';
import { type AdmissionFinding, finding } from './finding.js';
import { KnownDims } from './known-dims.js';
import { deepCalls, hasDeepTree } from './too-deep.js';
import { nodeLabel } from './trapping-divisions.js';

type Fatal = (node: NodeView, scope: Scope, known: KnownDims) => boolean;

const leavesOneOf =
  (first: number): Fatal =>
  ({ outputs }) =>
    outputs.slice(0, first).includes('');

const lacks =
  (...places: number[]): Fatal =>
  ({ inputs }) =>
    places.some((place) => (inputs[place] ?? '') === '');

/** How many elements a list has; undefined where it is not there, or a call's to give. */
function lengthOf(list: AttributeView | undefined): number | undefined {
  return list === undefined || list.reference !== ''
    ? undefined
    : streamList(list, () => undefined);
}

/** The second of two labels is looked up, whatever the scores are. */
function labelsOneText(node: NodeView): boolean {
  const labels = attributeOf(node, 'classlabels_strings');
  return labels !== undefined && (labels.reference !== '' || lengthOf(labels) === 1);
}

/** Each n-gram of the pool that is looked for has an index: that of one behind the end is read where it is met. */
function indexesTooFew(node: NodeView): boolean {
  const pool = attributeOf(node, 'pool_strings') ?? attributeOf(node, 'pool_int64s');
  const [indexes, items] = [lengthOf(attributeOf(node, 'ngram_indexes')), lengthOf(pool)];
  const counts = attributeOf(node, 'ngram_counts');
  const longest = intAttribute(node, 'max_gram_length');
  // Without one of them it does not load, unless a call gives it.
  if (indexes === undefined || items === undefined || longest === undefined) {
    return node.attributes.some(({ reference }) => reference !== '');
  }
  if (counts === undefined || counts.reference !== '') return counts !== undefined;
  let ngrams = 0;
  let start = 0;
  let gram = 0;
  // In the pool lie those of one item, then those of two, and so on.
  const endAt = (end: number): void => {
    if (gram > 0 && gram <= longest) ngrams += (end - start) / gram;
  };
  eachInteger(counts, (next) => {
    endAt(next);
    start = next;
    gram++;
  });
  endAt(items);
  return ngrams > indexes;
}

/** Of a negative size as many elements are copied as memory has. */
function hasNegativeSize(node: NodeView): boolean {
  const sizes = attributeOf(node, 'inputdimensions');
  if (sizes === undefined || sizes.reference !== '') return sizes !== undefined;
  let hasNegative = false;
  eachInteger(sizes, (size) => {
    hasNegative ||= size < 0;
  });
  return hasNegative;
}

/** What is to be said first is copied for as many recordings as there are, whoever sends how many. */
const beginsOfOthers: Fatal = (node, scope, known) => {
  const [recordings = '', first = ''] = [node.inputs[0], node.inputs[10]];
  if (recordings === '' || first === '') return false;
  const [count, others] = [recordings, first].map((name) => known.of(scope.resolve(name))?.[0]);
  return typeof count !== 'number' || count !== others;
};

/**
 * Operators whose kernels take for given what a file may leave out, by domain and name. A BatchNormalization for
 * inference that leaves out one of the first three does not load where it does not end the process; the two
 * behind, before opset 14, may be left out. A Loop does not load that leaves out what its body scans.
 */
const FATAL: ReadonlyMap<string, Fatal> = new Map<string, Fatal>([
  [' BatchNormalization', leavesOneOf(3)],
  [' GatherND', (node) => (intAttribute(node, 'batch_dims') ?? 0n) < 0n],
  [' Loop', leavesOneOf(Number.POSITIVE_INFINITY)],
  [' Split', leavesOneOf(Number.POSITIVE_INFINITY)],
  [' TfIdfVectorizer', indexesTooFew],
  ['ai.onnx.ml FeatureVectorizer', hasNegativeSize],
  ['ai.onnx.ml TreeEnsemble', hasDeepTree],
  ['ai.onnx.ml TreeEnsembleClassifier', (node) => labelsOneText(node) || hasDeepTree(node)],
  ['ai.onnx.ml TreeEnsembleRegressor', hasDeepTree],
  ['com.microsoft AttnLSTM', lacks(8, 9, 10, 11)],
  ['com.microsoft Attention', lacks(2)],
  ['com.microsoft BeamSearch', beginsOfOthers],
  ['com.microsoft CausalConvWithState', (node) => (intAttribute(node, 'ndim') ?? 1n) !== 1n],
  ['com.microsoft ConvTransposeWithDynamicPads', lacks(2)],
  ['com.microsoft QLinearLeakyRelu', lacks(4)],
  ['com.microsoft QLinearSigmoid', lacks(4)],
  ['com.microsoft QMoE', lacks(3, 6)],
  ['com.microsoft WhisperBeamSearch', beginsOfOthers],
]);

/**
 * The nodes that are executed, in subgraphs and functions too, with which ONNX Runtime (1.30) ends the process as
 * it loads them, or runs them, whatever the inputs are, or by what some callers send.
 */
export function fatalNodes(analysis: ModelAnalysis): readonly NodeView[] {
  const known = new KnownDims(analysis.hasher.files);
  const fatal = [...executedNodes(analysis)]
    .filter(({ node, scope }) => FATAL.get(`${node.domain} ${node.op}`)?.(node, scope, known))
    .map(({ node }) => node);
  return [...fatal, ...deepCalls(analysis)];
}

/** Whether every answer ends the process of a node; nodes do not load such a model. */
export function fatalRule(analysis: ModelAnalysis): AdmissionFinding {
  const fatal = fatalNodes(analysis);
  return fatal.length === 0
    ? finding('static.fatal', 'pass', 'no node leaves out what its kernel takes for given')
    : finding(
        'static.fatal',
        'refuse',
        'these leave out what their kernels take for given, or nest deeper than its stack, on which the process of a node ends: name all outputs, used or not, and the inputs that only the specification lets be left out; give two labels, each n-gram its index, and each of a fixed number of recordings the tokens that it begins with; have trees of at most 3000 levels, and functions that call each other at most 500 deep',
        fatal.map(nodeLabel),
      );
}
