import type { Tensor } from '../client/tensor.js';

/** How a model is tried. */
export interface TrialSetting {
  readonly optimization: 'all' | 'disabled';
  /** Threads inside one operator. */
  readonly threads: number;
  /** A version of ONNX's operator set to be read in place of the one that the model imports. */
  readonly opset?: number;
}

/** What a trial process is asked: load the model, and run each set of inputs. */
export interface TrialJob extends TrialSetting {
  /** Path of the model file. */
  readonly model: string;
  readonly sets: readonly (readonly Tensor[])[];
  /** Milliseconds to spend on timing. */
  readonly budget: number;
}

/** Outputs of one set, or why the runtime gave none. */
export type TrialRun =
  | { readonly outputs: readonly Tensor[]; readonly repeats: boolean }
  | { readonly failure: string };

/** What a trial process answers. */
export type TrialResult =
  | {
      readonly kind: 'done';
      /** Milliseconds from bytes to a session. */
      readonly load: number;
      /** Bytes of resident memory that the session took, without the model's own bytes. */
      readonly memory: number;
      /** Median milliseconds of one inference of the first set that ran; null if none did. */
      readonly latency: number | null;
      readonly runs: readonly TrialRun[];
    }
  | { readonly kind: 'failed'; readonly reason: string };
