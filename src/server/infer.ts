import type { Cancellation, InferenceRequest, LoadedModel } from '../engine/engine.js';
import type { AnswerHead } from './answer-head.js';
import type { WireRequest } from './codec/infer-request.js';
import { encodeHead, encodeRest } from './codec/infer-response.js';
import type { ModelRegistry } from './model-registry.js';
import type { Pieces } from './unary-methods.js';
import { validateInputs, validateOutputs, validateParameters } from './validation.js';

/** What a call tells of its caller. */
export interface Caller {
  /** Whom the queue counts the request for. */
  readonly peer: string;
  /** Milliseconds that are left; Infinity for none. */
  readonly remaining: number;
  readonly cancellation: Cancellation;
}

/** From a ModelInferRequest to the bytes of the answer with its receipt. */
export class Inferrer {
  readonly #models: ModelRegistry;
  readonly #head: AnswerHead;

  /** @param head absent: answers have no parameters, and so no receipts. */
  constructor(
    models: ModelRegistry,
    head: AnswerHead = ({ model, result }) => encodeHead(model, result.outputs),
  ) {
    this.#models = models;
    this.#head = head;
  }

  /**
   * Resolves to a ModelInferResponse behind `PREFIX` bytes of room. Throws or rejects with RpcError, EngineError,
   * or AssayError TENSOR_…
   */
  infer(wire: WireRequest, caller: Caller): Promise<Pieces> {
    const model = this.#models.get(wire.modelName, wire.modelVersion);
    const request = inferenceRequest(wire, model, caller);
    return model
      .infer(request)
      .then((result) => [
        this.#head({ model, nonce: request.note, result }),
        ...encodeRest(wire.id, result.outputs),
      ]);
  }
}

function inferenceRequest(
  wire: WireRequest,
  model: LoadedModel,
  { peer, remaining, cancellation }: Caller,
): InferenceRequest {
  const { nonce, priority, timeout } = validateParameters(wire);
  return {
    inputs: validateInputs(wire, model),
    messageBytes: wire.size,
    outputs: validateOutputs(wire, model),
    caller: peer,
    priority,
    timeout,
    deadline: performance.now() + remaining,
    cancellation,
    note: nonce,
  };
}
