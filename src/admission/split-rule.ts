import { executedNodes } from '../../attestation/model/called-functions.js';
import type { ModelAnalysis } from '../../attestation/model/identity.js';
import type { NodeView } from '../../attestation/model/views.js';
import { type AdmissionFinding, finding } from './finding.js';
import { nodeLabel } from './trapping-divisions.js';

/**
 * The Splits that are executed with an output left out, in subgraphs and functions too. ONNX Runtime (1.30) loads
 * them, writes to that output all the same, and the process ends, whatever the inputs are.
 */
export function incompleteSplits(analysis: ModelAnalysis): readonly NodeView[] {
  const { operators } = analysis.identity;
  if (!operators.some(({ domain, name }) => domain === '' && name === 'Split')) return [];
  return [...executedNodes(analysis)]
    .map(({ node }) => node)
    .filter(({ domain, op, outputs }) => domain === '' && op === 'Split' && outputs.includes(''));
}

/** Whether every answer ends the process of a node; nodes do not load such a model. */
export function splitRule(analysis: ModelAnalysis): AdmissionFinding {
  const incomplete = incompleteSplits(analysis);
  return incomplete.length === 0
    ? finding('static.split', 'pass', 'no Split leaves out an output')
    : finding(
        'static.split',
        'refuse',
        'these leave out an output, on which the process of a node ends: name all outputs, used or not',
        incomplete.map(nodeLabel),
      );
}
