import { type ServiceError, status } from '@grpc/grpc-js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { ManifestModel, TensorSignature } from '../../attestation/evidence/manifest-model.js';
import { serviceStatus } from '../client/service-status.js';
import type { Inference } from '../client/session.js';
import { specOf } from '../client/signature.js';
import type { InferenceRequest, InferenceResult, LoadedModel } from '../engine/engine.js';
import { joined } from '../engine/pieces.js';
import { type InferenceTimings, Statistics } from '../engine/statistics.js';
import { type InputTensor, piecesOf, type Tensor, type TensorSpec } from '../engine/tensor.js';
import { type Answered, base64Url, encodeReceipted } from '../server/answer-head.js';
import { encodeHead } from '../server/codec/infer-response.js';
import { RpcError } from '../server/rpc-error.js';
import type { LastingSession } from './lasting-session.js';

/** Told of every answer, verified, before its caller gets it, who gets none where this rejects. */
export type OnAnswer = (answer: Inference) => Promise<void>;

function localSpec(signature: TensorSignature): TensorSpec {
  const { name, datatype } = specOf(signature);
  const shape = signature.dims?.map((dimension) => dimension ?? '');
  return { name, datatype, shape };
}

function whole(input: InputTensor): Tensor {
  return { ...input, data: joined(piecesOf(input)) };
}

/**
 * Of what fails before there is an answer: the enclave is gone, or its models are not what they were. An enclave
 * that was started again may have ended in the midst of the request, or never have had it: its caller decides
 * whether to ask again.
 */
const UNANSWERED: ReadonlyMap<string, status> = new Map([
  ['CLIENT_TLS_PIN', status.UNAVAILABLE],
  ['CLIENT_UNREACHABLE', status.UNAVAILABLE],
  ['CLIENT_MODEL', status.NOT_FOUND],
  ['CLIENT_INPUT', status.INVALID_ARGUMENT],
  ['CLIENT_OUTPUT', status.INVALID_ARGUMENT],
]);

/** What the caller of the proxy is told: the enclave's own status, or that the answer does not count. */
function rpcError(error: unknown): unknown {
  if (error instanceof Error && error.name === 'AbortError') {
    return new RpcError(status.CANCELLED, 'the caller cancelled the request');
  }
  if (!(error instanceof AssayError)) return error;
  const answered = serviceStatus(error);
  if (answered !== undefined) {
    return new RpcError(answered, (error.cause as Partial<ServiceError>).details ?? error.message);
  }
  const code = UNANSWERED.get(error.code) ?? status.DATA_LOSS;
  return new RpcError(code, `${error.code}: ${error.message}`);
}

/**
 * A model of an attested enclave in the place of a loaded one, so that the server's own protocol code
 * speaks for it: every execution is a verified inference there.
 */
export class RemoteModel implements LoadedModel {
  readonly name: string;
  readonly version: string;
  readonly loadId: number;
  readonly inputs: readonly TensorSpec[];
  readonly outputs: readonly TensorSpec[];
  readonly batching = {
    maxBatchSize: 1,
    sizes: new Map(),
    invariance: 'off',
    reason: 'the enclave decides',
  } as const;
  readonly options = {};
  /** The enclave refuses what it does not take. */
  readonly acceptsEmpty = true;
  readonly instances = 1;
  readonly memory = 0;
  readonly statistics = new Statistics();
  readonly waiting = 0;
  readonly #session: Pick<LastingSession, 'infer'>;
  readonly #onAnswer: OnAnswer;

  constructor(
    session: Pick<LastingSession, 'infer'>,
    model: ManifestModel,
    loadId: number,
    onAnswer: OnAnswer,
  ) {
    this.name = model.name;
    this.version = model.version;
    this.loadId = loadId;
    this.inputs = model.inputs.map(localSpec);
    this.outputs = model.outputs.map(localSpec);
    this.#session = session;
    this.#onAnswer = onAnswer;
  }

  /** Rejects with RpcError, DATA_LOSS for an answer without a valid receipt, or as `onAnswer` does. */
  async infer(request: InferenceRequest): Promise<InferenceResult> {
    const started = performance.now();
    const abort = new AbortController();
    request.cancellation?.onCancel(() => abort.abort());
    const left = (request.deadline ?? Number.POSITIVE_INFINITY) - started;
    try {
      const answer = await this.#session
        .infer(this.name, request.inputs.map(whole), {
          version: this.version,
          outputs: request.outputs,
          priority: request.priority ?? 0,
          queueTimeout: request.timeout ?? 0,
          timeout: Math.max(1, left),
          signal: abort.signal,
        })
        .catch((error: unknown) => Promise.reject(rpcError(error)));
      await this.#onAnswer(answer);
      const elapsed = (performance.now() - started) * 1e6;
      const timings: InferenceTimings = {
        queue: 0,
        computeInput: 0,
        computeInfer: elapsed,
        computeOutput: 0,
        rows: 1,
        batchSize: 1,
      };
      this.statistics.succeeded(elapsed, timings);
      this.statistics.executed(timings);
      const { outputs, receipt, salt } = answer;
      const head = encodeHead(this, outputs);
      const { bytes: annotation } = encodeReceipted([
        { head, receipt: base64Url(receipt), salt: base64Url(salt) },
      ]);
      return { outputs, annotation, timings };
    } catch (error) {
      this.statistics.failed((performance.now() - started) * 1e6);
      throw error;
    }
  }

  async drain(): Promise<void> {}
}

/**
 * Passes the enclave's own receipts on. Throws RpcError for a caller's nonce: the proxy drew its own, and
 * the receipt carries that.
 */
export function forwardedHead({ nonce, result: { annotation } }: Answered): Uint8Array {
  if (nonce !== undefined) {
    throw new RpcError(
      status.INVALID_ARGUMENT,
      'expected no parameter nonce: the proxy draws the nonces and verifies the receipts',
    );
  }
  if (annotation === undefined) throw new TypeError('a remote model answers with a receipt');
  return annotation;
}
