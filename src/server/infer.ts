import type { Cancellation, InferenceRequest, LoadedModel } from '../engine/engine.js';
import type { WireRequest } from './codec/infer-request.js';
import type { WireResponse } from './codec/infer-response.js';
import type { ModelRegistry } from './model-registry.js';
import type { AnswerParameters } from './receipt-parameters.js';
import { validateInputs, validateOutputs, validateParameters } from './validation.js';

/** What a call tells of its caller. */
export interface Caller {
  /** Whom the queue counts the request for. */
  readonly peer: string;
  /** Milliseconds that are left; Infinity for none. */
  readonly remaining: number;
  readonly cancellation: Cancellation;
}

const NONE = new Uint8Array();

/** From the bytes of a ModelInferRequest to the answer with its receipt. */
export class Inferrer {
  readonly #models: ModelRegistry;
  readonly #parameters: AnswerParameters;

  constructor(models: ModelRegistry, parameters: AnswerParameters = () => NONE) {
    this.#models = models;
    this.#parameters = parameters;
  }

  /** Rejects with RpcError, EngineError, or AssayError TENSOR_… */
  async infer(wire: WireRequest, caller: Caller): Promise<WireResponse> {
    const model = this.#models.get(wire.modelName, wire.modelVersion);
    const { nonce, ...request } = inferenceRequest(wire, model, caller);
    const result = await model.infer(request);
    const { annotation, outputs } = result;
    return {
      modelName: model.name,
      modelVersion: model.version,
      id: wire.id,
      parameters: this.#parameters({ model, nonce, annotation }),
      outputs,
    };
  }
}

function inferenceRequest(
  wire: WireRequest,
  model: LoadedModel,
  { peer, remaining, cancellation }: Caller,
): InferenceRequest & { readonly nonce: Uint8Array | undefined } {
  const { nonce, priority, timeout } = validateParameters(wire);
  return {
    nonce,
    inputs: validateInputs(wire, model),
    messageBytes: wire.size,
    outputs: validateOutputs(wire, model),
    caller: peer,
    priority,
    timeout,
    deadline: performance.now() + remaining,
    cancellation,
    ...(nonce === undefined ? {} : { note: nonce }),
  };
}
