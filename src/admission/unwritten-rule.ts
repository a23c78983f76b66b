import { byteText } from '../../attestation/encoding/bytes.js';
import { streamList } from '../../attestation/model/attribute.js';
import { executedNodes } from '../../attestation/model/called-functions.js';
import { elementBytes } from '../../attestation/model/elements.js';
import type { ExternalFiles } from '../../attestation/model/external.js';
import type { ModelAnalysis } from '../../attestation/model/identity.js';
import type { Definition, NodeState } from '../../attestation/model/scope.js';
import { isSparse } from '../../attestation/model/tensor.js';
import type { NodeView } from '../../attestation/model/views.js';
import { attributeOf, intAttribute } from './attributes.js';
import { INT64, ofConstant } from './element-range.js';
import { type AdmissionFinding, finding } from './finding.js';
import { KnownDims } from './known-dims.js';
import { nodeLabel } from './trapping-divisions.js';

/** For more axes than any tensor has: each node reads its pads, and many may have the same. */
const MOST_PADS = 128;

type Unwritten = (state: NodeState, files: ExternalFiles, dims: KnownDims) => boolean;

/** Also true where the attribute is a call's to give. */
function maySay(node: NodeView, name: string, value: string): boolean {
  const attribute = attributeOf(node, name);
  if (attribute === undefined) return false;
  return attribute.reference !== '' || byteText.decode(attribute.bytes) === value;
}

/**
 * What is put before an axis in the mode `wrap` is copied from one period alone, so that more than the axis is
 * long leaves the rest. No axis is shorter than 1: without elements ONNX Runtime refuses to.
 */
function padsTooFar({ node, scope }: NodeState, files: ExternalFiles): boolean {
  if (!maySay(node, 'mode', 'wrap')) return false;
  const pads = node.inputs[1] ?? '';
  const definition = pads === '' ? undefined : scope.resolve(pads);
  if (definition?.kind !== 'constant' || isSparse(definition.constant)) return true;
  const { type, elements } = definition.constant;
  if (type.code !== INT64 || elements > MOST_PADS) return true;
  const bytes = elementBytes(definition.constant, files);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; at < bytes.length / 2; at += 8) {
    if (view.getBigInt64(at, true) > 1n) return true;
  }
  return false;
}

/** Whether a node that is given what came before, from this input on, leaves out the keys or values with it. */
function leavesPresent({ inputs, outputs }: NodeView, past: number): boolean {
  return (inputs[past] ?? '') !== '' && [1, 2].some((index) => (outputs[index] ?? '') === '');
}

/** Of two classes with one score between them the second's is not calculated. */
function leavesSecondClass({ node }: NodeState): boolean {
  if (!maySay(node, 'post_transform', 'PROBIT')) return false;
  const labels = attributeOf(node, 'classlabels_ints', 'classlabels_int64s', 'classlabels_strings');
  return (
    labels === undefined || labels.reference !== '' || streamList(labels, () => undefined) <= 2
  );
}

/** The window of a complex signal is read as if it were complex itself: half of that lies behind it. */
function readsBehindWindow(
  { node, scope }: NodeState,
  _: ExternalFiles,
  known: KnownDims,
): boolean {
  const [signal = '', , window = ''] = node.inputs;
  if (window === '' || signal === '') return false;
  const dims = known.of(scope.resolve(signal));
  return dims === undefined || (dims.length === 3 && (dims[2] === null || dims[2] === 2));
}

/**
 * Of heads of an odd size, or of an odd part of them, the last element is not written. What is calculated is as large
 * as weights say, so that a caller decides the size of an input alone.
 */
function rotatesOdd({ node, scope }: NodeState, _: ExternalFiles, known: KnownDims): boolean {
  const [rotated = ''] = node.inputs;
  const given = attributeOf(node, 'rotary_embedding_dim') !== undefined;
  const part = given ? intAttribute(node, 'rotary_embedding_dim') : 0n;
  if (part === undefined || part % 2n !== 0n) return true;
  if (rotated === '' || part !== 0n) return false;
  const definition = scope.resolve(rotated);
  const dims = known.of(definition);
  const heads = dims?.length === 3 ? (intAttribute(node, 'num_heads') ?? 0n) : 1n;
  if (heads === 0n) return false;
  const last = dims?.at(-1) ?? null;
  if (last === null) return definition.kind === 'input' && scope.parent === null;
  return (BigInt(last) / heads) % 2n !== 0n;
}

/** What a beam search gives beside its sequences and a score for each. */
function scoresTokens({ outputs }: NodeView): boolean {
  return outputs.slice(2).some((name) => name !== '');
}

/** Whether a number may be smaller, unless it is a constant or bounded by one. */
function mayBeBelow(least: bigint, definition: Definition, files: ExternalFiles): boolean {
  const atLeast = (value: Definition): boolean =>
    value.kind === 'constant' &&
    !isSparse(value.constant) &&
    value.constant.elements === 1 &&
    ofConstant(value.constant, files).least >= least;
  if (atLeast(definition)) return false;
  if (definition.kind !== 'output') return true;
  const { node, scope } = definition.state;
  const bounds = node.domain === '' && node.op === 'Max';
  return !(bounds && node.inputs.some((name) => name !== '' && atLeast(scope.resolve(name))));
}

/**
 * T5 of which the encoder finds the first token goes on from none where it may not write a second one. An encoder
 * that finds none has two inputs.
 */
function writesOneToken({ node, scope }: NodeState, files: ExternalFiles): boolean {
  const given = attributeOf(node, 'model_type') !== undefined;
  const kind = given ? intAttribute(node, 'model_type') : 0n;
  const [, longest = ''] = node.inputs;
  if ((kind !== undefined && kind !== 1n) || longest === '') return false;
  if (attributeOf(node, 'encoder')?.graphs[0]?.inputs.length === 2) return false;
  return mayBeBelow(3n, scope.resolve(longest), files);
}

/** The experts are read as if they had a gate each, which is fused with them for `swiglu` alone. */
function readsGates({ node }: NodeState): boolean {
  const fusion = attributeOf(node, 'swiglu_fusion');
  const activation = attributeOf(node, 'activation_type');
  if (fusion === undefined || (fusion.reference === '' && fusion.int === 0n)) return false;
  return activation === undefined || byteText.decode(activation.bytes) !== 'swiglu';
}

const CLASSIFIERS = ['LinearClassifier', 'SVMClassifier', 'TreeEnsembleClassifier'];

/**
 * Operators whose kernels may leave part of an output as its memory was, or make it of memory that is not their
 * operands' (ONNX Runtime 1.30), by domain and name.
 * `GreedySearch` and `Sampling` do so behind the end of the longest sequence, where they end before the greatest
 * length, as beam searches do with the scores of single tokens; `GroupQueryAttention` with rows of `output_qk` that
 * lie behind the end of a sequence, and `WordConvEmbedding` with words without a character. Without present keys
 * and values `GroupQueryAttention` reads those of a past that it was not given, where a caller says that there is.
 */
const UNWRITTEN: ReadonlyMap<string, Unwritten> = new Map<string, Unwritten>([
  [' Pad', padsTooFar],
  [' STFT', readsBehindWindow],
  ['com.microsoft Pad', padsTooFar],
  ...CLASSIFIERS.map((name) => [`ai.onnx.ml ${name}`, leavesSecondClass] as const),
  [' RotaryEmbedding', rotatesOdd],
  ['com.microsoft RotaryEmbedding', rotatesOdd],
  [
    'com.microsoft GroupQueryAttention',
    ({ node: { outputs } }) =>
      [1, 2].some((index) => (outputs[index] ?? '') === '') || (outputs[3] ?? '') !== '',
  ],
  [
    'com.microsoft MultiHeadAttention',
    ({ node }) => leavesPresent(node, 6) && node.outputs.slice(1).some((name) => name !== ''),
  ],
  [
    'com.microsoft BeamSearch',
    (state, files) => scoresTokens(state.node) || writesOneToken(state, files),
  ],
  ['com.microsoft QMoE', readsGates],
  ['com.microsoft WhisperBeamSearch', ({ node }) => scoresTokens(node)],
  ...['GreedySearch', 'Sampling', 'WordConvEmbedding'].map(
    (name) => [`com.microsoft ${name}`, () => true] as const,
  ),
]);

/**
 * The nodes that are executed, in subgraphs and functions too, of which it cannot be told that they write all of
 * their outputs, and of nothing but their inputs. What they leave is what the memory held: tensors of earlier
 * requests, other callers' too.
 */
export function unwrittenNodes(analysis: ModelAnalysis): readonly NodeView[] {
  const { files } = analysis.hasher;
  const known = new KnownDims(files);
  return [...executedNodes(analysis)]
    .filter((state) =>
      UNWRITTEN.get(`${state.node.domain} ${state.node.op}`)?.(state, files, known),
    )
    .map(({ node }) => node);
}

/** Whether an answer may hold what earlier requests left in memory; nodes do not load such a model. */
export function unwrittenRule(analysis: ModelAnalysis): AdmissionFinding {
  const unwritten = unwrittenNodes(analysis);
  return unwritten.length === 0
    ? finding(
        'static.unwritten',
        'pass',
        'no node is known to answer with what was in memory before',
      )
    : finding(
        'static.unwritten',
        'refuse',
        'these may answer with what earlier requests, of other callers too, left in memory: pad with slices that are concatenated, name the present keys and values, take another transform, fix an even size of heads and of what is rotated of them, search with BeamSearch and without the scores of tokens, in T5 by a greatest length that is a constant or bounded by Max, and at least 3, give an STFT a signal of two axes or one that ends in 1, fuse gates of a QMoE for swiglu alone',
        unwritten.map(nodeLabel),
      );
}
