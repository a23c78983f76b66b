import type { ErrorCode } from '../../attestation/encoding/error.js';
import type { Tensor } from '../client/tensor.js';
import type { ExecutionOptions } from '../engine/engine.js';
import type { Executed, Executor } from './executor.js';

/** What the process that executes is asked: first for a model, then to execute it. */
export type LocalQuestion =
  | {
      readonly kind: 'open';
      /** Path of the model file. */
      readonly path: string;
    }
  | {
      readonly kind: 'run';
      readonly options: ExecutionOptions;
      readonly inputs: readonly Tensor[];
      readonly outputs: readonly string[];
    };

/** What it answers. */
export type LocalAnswer =
  | {
      readonly kind: 'opened';
      readonly graph: Uint8Array;
      readonly outputs: Executor['outputs'];
    }
  | { readonly kind: 'executed'; readonly executed: Executed }
  /** AssayError: the model cannot be opened. */
  | { readonly kind: 'refused'; readonly code: ErrorCode; readonly message: string }
  /** The model does not load with these options, or does not run on these inputs. */
  | { readonly kind: 'failed'; readonly reason: string };
