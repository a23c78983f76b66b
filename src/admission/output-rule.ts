import { executedNodes } from '../../attestation/model/called-functions.js';
import type { ModelAnalysis } from '../../attestation/model/identity.js';
import type { NodeView } from '../../attestation/model/views.js';
import { type AdmissionFinding, finding } from './finding.js';
import { nodeLabel } from './trapping-divisions.js';

const leavesOneOf =
  (first: number) =>
  ({ outputs }: NodeView): boolean =>
    outputs.slice(0, first).includes('');

const isGiven =
  (input: number) =>
  ({ inputs }: NodeView): boolean =>
    (inputs[input] ?? '') !== '';

/**
 * Operators whose kernels write to outputs that are left out or behind the end of one, by domain and name. A
 * BatchNormalization for inference that leaves out one of the first three does not load where it does not end
 * the process; the two behind, before opset 14, may be left out. A Loop does not load that leaves out what
 * its body scans. Where a past is in a buffer that is longer than it, all of the buffer is copied: with
 * `past_sequence_length`, without which DecoderMaskedMultiHeadAttention takes no past.
 */
const STRAYING: ReadonlyMap<string, (node: NodeView) => boolean> = new Map([
  [' BatchNormalization', leavesOneOf(3)],
  [' Loop', leavesOneOf(Number.POSITIVE_INFINITY)],
  [' Split', leavesOneOf(Number.POSITIVE_INFINITY)],
  ['com.microsoft DecoderMaskedMultiHeadAttention', isGiven(5)],
  ['com.microsoft MultiHeadAttention', isGiven(8)],
]);

/**
 * The nodes that are executed, in subgraphs and functions too, of which the kernel writes to what is no output.
 * ONNX Runtime (1.30) loads them, and as it runs them the process ends, or memory of others is overwritten.
 */
export function strayingNodes(analysis: ModelAnalysis): readonly NodeView[] {
  const { operators } = analysis.identity;
  if (!operators.some(({ domain, name }) => STRAYING.has(`${domain} ${name}`))) return [];
  return [...executedNodes(analysis)]
    .map(({ node }) => node)
    .filter((node) => STRAYING.get(`${node.domain} ${node.op}`)?.(node));
}

/** Whether answers end the process of a node; nodes do not load such a model. */
export function outputRule(analysis: ModelAnalysis): AdmissionFinding {
  const straying = strayingNodes(analysis);
  return straying.length === 0
    ? finding(
        'static.outputs',
        'pass',
        'no kernel is known to write to what is no output of its node',
      )
    : finding(
        'static.outputs',
        'refuse',
        'the kernels of these write to what is no output, on which the process of a node ends: name all outputs, used or not, and give no past in a buffer that is longer',
        straying.map(nodeLabel),
      );
}
