import type { Tolerances } from '../hub/package.js';
import type { TestSet } from './test-sets.js';

/** Names of the operators of ONNX's own that a model has, by the version that its graph imports. */
export interface OpsetUse {
  readonly version: number;
  readonly operators: readonly string[];
}

/** What the dynamic rules need beside the model. */
export interface TrialInputs {
  /** Path of the model file. */
  readonly model: string;
  /** Reference sets, or samples where there are none. */
  readonly sets: readonly TestSet[];
  /** Whether the sets were made up: then that they do not run says little. */
  readonly sampled: boolean;
  readonly tolerances: Tolerances | null;
  /** Median milliseconds that the source framework needed; null where none is given. */
  readonly baseline: number | null;
  /** What the model takes of ONNX's own operator set; null where its import cannot be the matter. */
  readonly opset: OpsetUse | null;
}
