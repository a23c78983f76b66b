import type { ModelAnalysis } from '../../attestation/model/identity.js';
import { type AdmissionFinding, finding } from './finding.js';
import { nodeLabel, trappingDivisions } from './trapping-divisions.js';

/** Whether a caller can end the process of a node by what it divides; nodes do not load such a model. */
export function divisionRule(analysis: ModelAnalysis): AdmissionFinding {
  const exposed = trappingDivisions(analysis);
  return exposed.length === 0
    ? finding('static.division', 'pass', 'no caller can bring about a division that traps')
    : finding(
        'static.division',
        'refuse',
        'callers may have these divide the least integer by -1, or an STFT by frames of no length, which ends the process of a node on x86: divide by a constant, bound the divisor (Clip, Max), or divide in floating point; give the STFT a window',
        exposed.map(nodeLabel),
      );
}
