import type { InferenceTimings, Statistics } from './statistics.js';
import type { InputTensor, Tensor, TensorSpec } from './tensor.js';

/** A model in memory: what is executed, written from what was identified (`executableModel`). */
export interface ModelSource {
  readonly name: string;
  readonly version: string;
  /** The ModelProto. Not copied when it lies in a SharedArrayBuffer. */
  readonly model: Uint8Array;
  /** External data by the location that the model names; nothing is ever read from disk. */
  readonly externalData: readonly { readonly path: string; readonly data: Uint8Array }[];
}

/** ONNX Runtime's, from none to all. */
export const GRAPH_OPTIMIZATION_LEVELS = [
  'disabled',
  'basic',
  'extended',
  'layout',
  'all',
] as const;

export type GraphOptimizationLevel = (typeof GRAPH_OPTIMIZATION_LEVELS)[number];

/** Session options that can change the bits of an answer; part of the execution profile. */
export interface ExecutionOptions {
  /** Threads inside one operator; 1 is best with one worker a core. Default 1. */
  readonly intraOpThreads?: number;
  /** Default `all`, as ONNX Runtime. */
  readonly graphOptimizationLevel?: GraphOptimizationLevel;
}

/**
 * How requests wait and share executions: Triton's names
 * and meanings (model configuration, "Dynamic Batcher").
 */
export interface BatchingOptions {
  /**
   * Most rows of one execution, and so of one request where every input's first dimension varies. 0 or 1:
   * requests never share an execution. Absent: they share one up to 32 rows, and one request may have more.
   */
  readonly maxBatchSize?: number | undefined;
  /**
   * False: take `maxBatchSize`, or what of it can be proven at load in ten seconds, without measuring which
   * size is fastest. Default true.
   */
  readonly sweep?: boolean;
  /**
   * Sizes of dimensions after the first that may vary, by symbol: requests of these shapes share
   * executions too if the model proves it for each; of others, every request is executed alone.
   */
  readonly dimensions?: Readonly<Record<string, readonly number[]>>;
  /** Sizes to prefer where enough waits; default none. */
  readonly preferredBatchSizes?: readonly number[];
  /**
   * How long a request may wait for others, from its
   * acceptance, while a worker is free; default 0: not at all.
   */
  readonly maxQueueDelayMicroseconds?: number;
  /** Requests of each priority that may wait; more are refused at once. Default 1024. */
  readonly maxQueueSize?: number;
  /** Priorities are 1 (first) to this; 0, the default: all are equal, a request's own is ignored. */
  readonly priorityLevels?: number;
  /** Of requests that name none, or one beyond the levels; default the middle level. */
  readonly defaultPriorityLevel?: number | undefined;
  /** How long a request may wait that names no shorter timeout; 0, the default: until its deadline. */
  readonly defaultTimeoutMicroseconds?: number;
}

export interface LoadOptions extends ExecutionOptions {
  readonly batching?: BatchingOptions;
  /** Milliseconds that one execution may take before its worker counts as hung; default five minutes. */
  readonly maxRun?: number;
  /** Operators that are executed, those in subgraphs and functions included; without them nothing is batched. */
  readonly operators?: readonly string[];
  /**
   * Inputs that the model declares without dimensions; ONNX
   * Runtime does not tell them from those of unknown rank.
   */
  readonly scalarInputs?: readonly string[];
  /**
   * Names of inputs of which extreme values could exhaust memory or end the process. A model that has one that
   * is not BOOL proves nothing: requests are executed alone. Default: none.
   */
  readonly delicateInputs?: readonly string[];
  /** See `LoadedModel.acceptsEmpty`; default true. */
  readonly acceptsEmpty?: boolean;
}

/**
 * Whether requests share executions. They do only if the model proved, at load, that neighbours and
 * places in a batch do not change one bit of an answer, and if sharing is faster.
 */
export interface BatchingOutcome {
  /** 1: every request is executed alone. */
  readonly maxBatchSize: number;
  /** Most rows of one execution, by the shape of the inputs (`tailsKey`); of others, one request's. */
  readonly sizes: ReadonlyMap<string, number>;
  /** `proven`, `varies` (bits depend on neighbours or places), `unproven` (could not be tested), `off`. */
  readonly invariance: 'proven' | 'varies' | 'unproven' | 'off';
  /** One sentence for people. */
  readonly reason: string;
}

/**
 * A caller that may go away. An AbortSignal would do, but costs more than a small inference: every
 * call of a gRPC server ends with a cancellation, also one that was answered.
 */
export class Cancellation {
  #cancelled = false;
  #listener: (() => void) | undefined;

  get cancelled(): boolean {
    return this.#cancelled;
  }

  /** One listener: the engine. */
  onCancel(listener: () => void): void {
    this.#listener = listener;
  }

  cancel(): void {
    this.#cancelled = true;
    this.#listener?.();
  }
}

export interface InferenceRequest {
  /** Every input of the model, once, in the order of its signature; see `validateInputs`. */
  readonly inputs: readonly InputTensor[];
  /** Bytes of the message that the inputs are views of, if any: it stays in memory with them. */
  readonly messageBytes?: number;
  /** Names of the outputs to return, in the order of the signature; at least one. */
  readonly outputs: readonly string[];
  /** Who asks; callers share the queue fairly. */
  readonly caller?: string;
  /** Triton's `priority`: 1 is the most urgent, larger is later, 0 or absent the model's default. */
  readonly priority?: number;
  /** Triton's `timeout`: microseconds that it may wait, if less than the model's default; 0 or absent: that. */
  readonly timeout?: number;
  /** On the clock of `performance.now()`: not dispatched later than this. */
  readonly deadline?: number;
  /** How the engine hears that the caller went away; takes effect until dispatch. */
  readonly cancellation?: Cancellation;
  /** Handed to the annotator with the request's tensors; absent: nothing. */
  readonly note?: Uint8Array | undefined;
}

export interface InferenceResult {
  /** The requested outputs, in the order of the signature. */
  readonly outputs: readonly Tensor[];
  /** What the engine's annotator computed over exactly these tensors; absent where it was not called. */
  readonly annotation: Uint8Array | undefined;
  readonly timings: InferenceTimings;
}

/**
 * What a worker computes over the requests that it executed, in its own thread, so that the work stays off
 * the event loop.
 */
export interface Annotator<Annotation = unknown> {
  /**
   * Called after each execution, for each of its requests: inputs and outputs are one caller's own, in the
   * order of the signature, outputs only those requested.
   */
  annotate(
    inputs: readonly Tensor[],
    outputs: readonly Tensor[],
    notes: ExecutionNotes,
  ): Annotation;
  /** Called with all annotations, one at least, that are about to leave the worker in one message. */
  seal(annotations: readonly Annotation[]): Sealed;
}

export interface Sealed {
  /** What the requests get of their annotations, one after another, in memory of its own. */
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Where each ends, in the same order. */
  readonly ends: readonly number[];
  /** For `AnnotatorSettings.noticed`, before the requests are answered. */
  readonly notice: Uint8Array<ArrayBuffer>;
}

/** What an annotator module exports as `makeAnnotator`; called once in each worker. */
export type MakeAnnotator = (data: unknown) => Annotator;

/** What an annotator is told beside the tensors. Both are valid during the call alone. */
export interface ExecutionNotes {
  /** Of the whole execution: what `AnnotatorSettings.context` said when it was dispatched. */
  readonly context: Uint8Array;
  /** `InferenceRequest.note`; empty where there was none. */
  readonly note: Uint8Array;
}

export interface AnnotatorSettings {
  /** Exports `makeAnnotator: MakeAnnotator`; imported in each worker. */
  readonly module: URL;
  /** For `MakeAnnotator`; handed over by structured clone. */
  readonly data?: unknown;
  /** Asked for each execution of a load as it is dispatched; undefined: do not annotate it. */
  readonly context: (loadId: number) => Uint8Array | undefined;
  /** Given the notice of each message that was sealed. */
  readonly noticed?: (notice: Uint8Array) => void;
  /** A worker thread, by its `threadId`, has ended, whatever it was doing. */
  readonly ended?: (thread: number) => void;
}

/** One model version, loaded. */
export interface LoadedModel {
  readonly name: string;
  readonly version: string;
  /** Unique among all loads of this process: a reload of the same name and version has another. */
  readonly loadId: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly batching: BatchingOutcome;
  /** As the model was loaded, and always with the size of its queue; without one: it has no queue. */
  readonly options: BatchingOptions;
  /**
   * False: callers may send no tensor without elements, unless the signature says it has none. Kernels of
   * ONNX Runtime 1.30 end the process on such (LSTM, GRU, InstanceNormalization, DFT, Unique and others).
   */
  readonly acceptsEmpty: boolean;
  /** Sessions that can execute: one a worker, or fewer where the memory budget has not room for more. */
  readonly instances: number;
  /** Bytes of the memory budget that the model takes. */
  readonly memory: number;
  readonly statistics: Statistics;
  /** Requests that wait for a worker. */
  readonly waiting: number;
  /** Rejects with EngineError. The tensors' bytes must not change until it settles. */
  infer(request: InferenceRequest): Promise<InferenceResult>;
  /** Accepts no more, waits for what was accepted, then frees the sessions. */
  drain(): Promise<void>;
}

export interface Engine {
  /** What the sessions of all models may take together, and what they take, bytes. */
  readonly memory: { readonly budget: number; readonly reserved: number };
  /** What the inputs of requests may take together until they are answered, and what they take, bytes. */
  readonly requestMemory: { readonly limit: number; readonly held: number };
  /** Rejects with EngineError `load`, or `memory` where the budget has no room for one session. */
  load(source: ModelSource, options?: LoadOptions): Promise<LoadedModel>;
  /** Drains every model, then ends the worker threads. Nothing that runs is ever interrupted. */
  close(): Promise<void>;
}
