import type { ExecutionOptions } from './engine.js';
import type { Datatype, TensorSpec } from './tensor.js';

/** One input of an execution: a range of the message's single transferred buffer. */
export interface PackedInput {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly offset: number;
  readonly length: number;
}

/** One execution of a model: of one request, or of several that share it. */
export interface Execution {
  readonly loadId: number;
  readonly buffer: ArrayBuffer;
  /** In the order of the signature. */
  readonly inputs: readonly PackedInput[];
  /** Names, in the order of the signature. */
  readonly outputs: readonly string[];
  /** Rows (dimension 0) of each request of a batch; empty for one request that owns it all. */
  readonly rows: readonly number[];
  /** For the annotator; undefined: it is not called. */
  readonly context: Uint8Array | undefined;
  /** Lengths of the requests' notes, which lie one after another where the buffer ends. */
  readonly notes: readonly number[];
}

/** To a worker. Messages are handled one after another, in the order of arrival. */
export type ToWorker =
  | {
      readonly kind: 'load';
      readonly loadId: number;
      readonly model: Uint8Array;
      readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[];
      readonly options: Required<ExecutionOptions>;
    }
  | { readonly kind: 'unload'; readonly loadId: number }
  | {
      readonly kind: 'run';
      /** One after another; answered together. */
      readonly executions: readonly Execution[];
    }
  | { readonly kind: 'close' };

export interface RunOutput {
  readonly datatype: Datatype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** What came of an execution. */
export interface ExecutionResult {
  /** Of the whole batch, in the order that was asked for. */
  readonly outputs: readonly RunOutput[];
  /** Those of the requests of the batch, one after another. */
  readonly annotations: Uint8Array;
  /** Where each ends; empty without an annotator. */
  readonly annotationEnds: readonly number[];
  /** Nanoseconds. */
  readonly computeInput: number;
  readonly computeInfer: number;
  readonly computeOutput: number;
}

export interface ExecutionFailure {
  /** True where ONNX Runtime refused the inputs, false where the execution failed. */
  readonly refused: boolean;
  readonly message: string;
}

/** From a worker. */
export type FromWorker =
  | { readonly kind: 'started' }
  | {
      readonly kind: 'loaded';
      readonly loadId: number;
      readonly inputs: readonly TensorSpec[];
      readonly outputs: readonly TensorSpec[];
    }
  | { readonly kind: 'unloaded'; readonly loadId: number }
  | { readonly kind: 'load-failed'; readonly loadId: number; readonly message: string }
  | {
      readonly kind: 'ran';
      /** In the order of the executions. */
      readonly results: readonly (ExecutionResult | ExecutionFailure)[];
      /** The annotator's, of the whole message. */
      readonly notice: Uint8Array | undefined;
    };

/** Where a worker's annotator comes from. */
export interface AnnotatorSource {
  /** URL of a module that exports `makeAnnotator: MakeAnnotator`. */
  readonly url: string;
  readonly data: unknown;
}

/** What a worker is started with. */
export interface WorkerSettings {
  readonly annotator: AnnotatorSource | undefined;
  /**
   * An Int32 that the worker counts in: of a message, each execution as it ends, then each again as it is
   * annotated.
   */
  readonly executed: SharedArrayBuffer;
}
