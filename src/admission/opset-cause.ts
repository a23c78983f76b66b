import { executedNodes } from '../../attestation/model/called-functions.js';
import type { ModelAnalysis } from '../../attestation/model/identity.js';
import { type AdmissionFinding, finding } from './finding.js';
import { changeOf, otherMeanings } from './operators.js';
import { ONE_BYTE } from './opset-import.js';
import { qualityFindings } from './quality.js';
import { tryModel } from './trial.js';
import type { OpsetUse, TrialInputs } from './trial-inputs.js';
import type { TrialResult } from './trial-messages.js';

/** Other versions that are tried, each a load and a run. */
const MAX_TRIALS = 8;

/** Null where the model imports none of ONNX's operators, or a version beyond all that exist. */
export function opsetUseOf(analysis: ModelAnalysis): OpsetUse | null {
  const version = analysis.model.opsets.get('');
  if (version === undefined || version >= ONE_BYTE) return null;
  const own = [...executedNodes(analysis)].filter(({ node }) => node.domain === '');
  return { version, operators: [...new Set(own.map(({ node }) => node.op))].sort() };
}

/** Whether a trial did everything that is asked of the model. */
function succeeds(result: TrialResult, { sets, sampled, tolerances }: TrialInputs): boolean {
  if (result.kind !== 'done') return false;
  return result.runs.every((run, index) => {
    const set = sets[index];
    if (set === undefined || !('outputs' in run)) return sampled;
    const judged = qualityFindings(set.name, set.outputs, run.outputs, tolerances);
    return judged.every(({ outcome }) => outcome !== 'refuse');
  });
}

/**
 * Looks for the cause where a model does not load or misses its references: whether it does all of it
 * once its nodes are read as another version of ONNX's operator set has them. A converter that writes
 * the import wrongly, or a tool that changes it without rewriting the nodes, makes such models.
 * It is an experiment with one outcome that tells anything: finding nothing leaves the cause open.
 */
export async function opsetCause(inputs: TrialInputs): Promise<AdmissionFinding[]> {
  const { opset, sets, model } = inputs;
  if (opset === null) return [];
  const { version, operators } = opset;
  for (const other of otherMeanings(operators, version).slice(0, MAX_TRIALS)) {
    const setting = { optimization: 'all', threads: 1, opset: other } as const;
    if (!succeeds(await tryModel(model, sets, setting, 0), inputs)) continue;
    const does = inputs.sampled ? 'loads' : 'gives what the references say';
    const message = `read as opset ${other} instead of ${version} the model ${does}: the import is the likely fault, changed or written wrongly; these operators are not the same in both`;
    const changed = operators.flatMap((name) => changeOf(name, version, other) ?? []);
    return [finding('dynamic.opset', 'refuse', message, changed)];
  }
  return [];
}
