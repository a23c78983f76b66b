import { executedNodes } from '../../attestation/model/called-functions.js';
import type { ModelAnalysis, OperatorCount } from '../../attestation/model/identity.js';
import type { NodeView } from '../../attestation/model/views.js';
import { type AdmissionFinding, finding } from './finding.js';
import { nodeLabel } from './trapping-divisions.js';

/**
 * Operators whose kernels write to outputs that are left out, and to how many of the first ones. A
 * BatchNormalization for inference that leaves out one of the first three does not load where it does not end
 * the process; the two behind, before opset 14, may be left out. A Loop does not load that leaves out what
 * its body scans.
 */
const WRITTEN: ReadonlyMap<string, number> = new Map([
  ['BatchNormalization', 3],
  ['Loop', Number.POSITIVE_INFINITY],
  ['Split', Number.POSITIVE_INFINITY],
]);

function writesAll({ domain, name }: Pick<OperatorCount, 'domain' | 'name'>): boolean {
  return domain === '' && WRITTEN.has(name);
}

/**
 * The nodes that are executed, in subgraphs and functions too, and leave out an output that their kernel
 * writes to. ONNX Runtime (1.30) loads them, and the process ends as it runs them, whatever the inputs are.
 */
export function incompleteNodes(analysis: ModelAnalysis): readonly NodeView[] {
  if (!analysis.identity.operators.some(writesAll)) return [];
  return [...executedNodes(analysis)]
    .map(({ node }) => node)
    .filter(
      ({ domain, op: name, outputs }) =>
        writesAll({ domain, name }) && outputs.slice(0, WRITTEN.get(name)).includes(''),
    );
}

/** Whether every answer ends the process of a node; nodes do not load such a model. */
export function outputRule(analysis: ModelAnalysis): AdmissionFinding {
  const incomplete = incompleteNodes(analysis);
  return incomplete.length === 0
    ? finding('static.outputs', 'pass', 'no node leaves out an output that its kernel writes to')
    : finding(
        'static.outputs',
        'refuse',
        'these leave out an output, on which the process of a node ends: name all outputs, used or not',
        incomplete.map(nodeLabel),
      );
}
