import { type MeasuredModel, measureModel } from '../../enclave/measure.js';
import { delicateInputs } from '../admission/delicate-inputs.js';
import { fatalNodes } from '../admission/fatal-rule.js';
import { overrunningNodes } from '../admission/overrun-rule.js';
import { nodeLabel, trappingDivisions } from '../admission/trapping-divisions.js';
import { unwrittenNodes } from '../admission/unwritten-rule.js';

/** A measured model, with what its loading needs of the analysis, which is large and kept no longer. */
export interface JudgedModel {
  readonly measured: MeasuredModel;
  /** Divisions with which a caller could end the process, as people find them in the file. */
  readonly trapping: readonly string[];
  /** Nodes that leave out what their kernels take for given, with which it ends as well. */
  readonly fatal: readonly string[];
  /** Nodes that may write beyond their memory. */
  readonly overrunning: readonly string[];
  /** Nodes that may answer with what earlier requests left in memory. */
  readonly unwritten: readonly string[];
  /** As `LoadOptions.delicateInputs`. */
  readonly delicateInputs: readonly string[];
}

/** Keeps its thread as long as hashing every byte takes. Throws what `measureModel` throws. */
export async function judgeModel(path: string): Promise<JudgedModel> {
  const { measured, analysis } = await measureModel(path);
  const divisions = trappingDivisions(analysis);
  return {
    measured,
    trapping: divisions.map(nodeLabel),
    fatal: fatalNodes(analysis).map(nodeLabel),
    overrunning: overrunningNodes(analysis).map(nodeLabel),
    unwritten: unwrittenNodes(analysis).map(nodeLabel),
    delicateInputs: delicateInputs(analysis, divisions),
  };
}
