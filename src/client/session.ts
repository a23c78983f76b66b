import { randomBytes, type X509Certificate } from 'node:crypto';
import {
  type AppraisedInference,
  appraiseInference,
  assertAgrees,
} from '../../attestation/appraisal/appraise-inference.js';
import type { AttestationResult } from '../../attestation/appraisal/result.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { assertNonce } from '../../attestation/evidence/binding.js';
import type { Manifest } from '../../attestation/evidence/manifest.js';
import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import { decodeClaims } from '../../attestation/receipt/claims.js';
import { decodeInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import { encodeProofFile } from '../../attestation/receipt/proof-file.js';
import { nativeHmacSha256 } from '../system/native-hmac.js';
import { assertSameModel, assertUnchanged, refuseUnattested } from './answer-checks.js';
import { type Affirmed, Appraisals, type AttestedEvidence } from './appraisals.js';
import {
  type InferResponse,
  inferRequest,
  type Queueing,
  receivedInference,
  unaskedOutputs,
} from './exchange.js';
import { LogClient, type LogOptions } from './log-client.js';
import { DEFAULT_TIMEOUT, type PinnedChannel } from './rpc.js';
import { findModel, orderInputs, orderOutputs } from './signature.js';
import type { Tensor } from './tensor.js';

/** Choices for one inference. */
export interface InferOptions extends Queueing {
  /** Version of the model; needed only where the enclave serves several. */
  readonly version?: string;
  /** Outputs to return; all unless given. */
  readonly outputs?: readonly string[];
  /** 32 bytes that the receipt must carry; random unless given. */
  readonly nonce?: Uint8Array;
  /**
   * Milliseconds until the call is given up, attesting the enclave again included; 60 000 unless given.
   */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** A verified answer. It does not exist without a valid receipt. */
export interface Inference extends AppraisedInference {
  /** In the order of the model's signature. */
  readonly outputs: readonly Tensor[];
  /** `encodeInferenceReceipt`: claims and COSE receipt, as the enclave sent them. */
  readonly receipt: Uint8Array;
  /** Salt of the commitments, 32 bytes; whoever has it can guess at the tensors. */
  readonly salt: Uint8Array;
  /**
   * Everything that it takes to appraise this answer later, offline: `assay verify receipt`. It reads the
   * very tensors that were given to `infer` and returned by it, which are not copied: throws USAGE_PROOF if
   * they, or the nonce, were changed since, and PROOF_SIZE beyond what verifiers read.
   */
  readonly proof: () => Uint8Array;
}

/**
 * An answer whose receipt holds, and whose outputs are not those that were asked for: CLIENT_ANSWER. It answers
 * nothing, and is evidence against the enclave.
 */
export class UnaskedAnswerError extends AssayError {
  /** Of other outputs, in the order in which they came. */
  readonly answer: Inference;

  constructor(message: string, answer: Inference) {
    super('CLIENT_ANSWER', message);
    this.answer = answer;
  }
}

/** Milliseconds for an enclave to say whether it is ready. */
const READY_TIMEOUT = 5000;

/**
 * A connection to one enclave whose evidence was affirmed, over TLS to the very key that the evidence
 * covers. Every answer is verified before it is returned.
 */
export class Session {
  readonly #channel: PinnedChannel;
  readonly #appraisals: Appraisals;
  /** The epoch's log as its caller sees it. */
  readonly log: LogClient;

  /**
   * For `connect`, which has appraised the evidence and checked the TLS key.
   * @param affirm attests again over the same channel; rejects unless it is affirmed.
   */
  constructor(channel: PinnedChannel, first: Affirmed, affirm: () => Promise<Affirmed>) {
    this.#channel = channel;
    this.#appraisals = new Appraisals(first, affirm);
    this.log = new LogClient(channel, () => this.manifest.signingKey);
  }

  /** The newest appraisal, check by check. */
  get result(): AttestationResult {
    return this.#appraisals.current.result;
  }

  /** The evidence of that appraisal. */
  get evidence(): AttestedEvidence {
    return this.#appraisals.current.evidence;
  }

  /** What the enclave states of itself, as the hardware's signature covers it. */
  get manifest(): Manifest {
    return this.#appraisals.current.enclave.manifest;
  }

  /** The enclave's certificate, which any gRPC client may pin as its only root. */
  get certificate(): X509Certificate {
    return this.#channel.certificate;
  }

  /** The models that the attested manifest names. */
  models(): readonly ManifestModel[] {
    return this.manifest.models;
  }

  /**
   * Attests the enclave again, under a fresh nonce and the same policy: after models were loaded or
   * unloaded it states another manifest, and what held of it once may hold no longer. Calls at the same time share
   * one attestation.
   * @throws NotAffirmedError if it is not affirmed now: where it is refused, `infer` sends nothing until it is
   *   affirmed again; AssayError as `attest`.
   */
  async refresh(): Promise<AttestationResult> {
    await this.#appraisals.refresh();
    return this.result;
  }

  /**
   * Whether the enclave says that it takes requests, for a model where one is named; false where nobody
   * answers under its key.
   * @param model without a version: the highest one.
   * @throws AssayError CLIENT_TLS_PIN where another key is in its place: no later call of this session will be
   *   answered by an enclave that was started again, but those of a new session.
   */
  async ready(model?: { readonly name: string; readonly version?: string }): Promise<boolean> {
    try {
      const { ready } = await this.#channel.call<{ readonly ready: boolean }>(
        'inference.GRPCInferenceService',
        model === undefined ? 'ServerReady' : 'ModelReady',
        { name: model?.name, version: model?.version },
        { timeout: READY_TIMEOUT },
      );
      return ready;
    } catch (error) {
      if (!(error instanceof AssayError) || error.code === 'CLIENT_TLS_PIN') throw error;
      return false;
    }
  }

  /**
   * Executes a model and verifies the answer: the receipt is signed by the attested key, it covers
   * this request, this response and this nonce, and it names the model that the manifest had when the
   * request was sent.
   * @throws AssayError CLIENT_MODEL, CLIENT_INPUT, TENSOR_…, CLIENT_OUTPUT, BINDING_NONCE, USAGE_OPTION or USAGE_TIMEOUT
   *   before anything is sent; CLIENT_TLS_PIN, CLIENT_UNREACHABLE or CLIENT_SERVICE from the call; CLIENT_ANSWER,
   *   RECEIPT_…, CLAIMS_… or CLIENT_MODEL_CHANGED for an answer that does not hold; UnaskedAnswerError for one
   *   that holds, of other outputs; RECEIPT_UNATTESTED for one that could not be checked, since the models
   *   changed before evidence for its manifest could be fetched; NotAffirmedError where the enclave states
   *   another manifest that is not affirmed, and before anything is sent where it was refused and is not affirmed
   *   now; the signal's own reason where `options.signal` aborts.
   */
  async infer(
    name: string,
    inputs: readonly Tensor[],
    options: InferOptions = {},
  ): Promise<Inference> {
    let { timeout = DEFAULT_TIMEOUT } = options;
    const { signal } = options;
    const deadline = performance.now() + timeout;
    if (this.#appraisals.isRefused) {
      await this.#appraisals.refreshWithin({ timeout, signal });
      timeout = Math.max(1, deadline - performance.now());
    }
    const model = findModel(this.manifest, name, options.version);
    const ordered = orderInputs(model, inputs);
    const wanted = orderOutputs(model, options.outputs);
    const nonce = options.nonce ?? new Uint8Array(randomBytes(32));
    assertNonce(nonce);
    const response = await this.#channel.call<InferResponse>(
      'inference.GRPCInferenceService',
      'ModelInfer',
      inferRequest(model, ordered, wanted, nonce, options),
      { timeout, signal },
    );
    const received = receivedInference(response);
    const { version } = model;
    const exchange = { model: model.name, version, nonce, inputs: ordered, ...received };
    const bounds = { timeout: deadline - performance.now(), signal };
    const { manifest } = decodeClaims(decodeInferenceReceipt(received.receipt).claims);
    const stated = await this.#appraisals.statedBy(manifest, bounds);
    const { enclave, evidence } = stated ?? this.#appraisals.current;
    const appraised = await appraiseInference(exchange, enclave, nativeHmacSha256);
    if (stated === undefined) refuseUnattested(appraised);
    assertAgrees(appraised);
    assertSameModel(model, appraised.claims);
    this.log.observe(appraised.head);
    const answer: Inference = {
      ...appraised,
      ...received,
      proof: () => {
        assertUnchanged(exchange, appraised.claims);
        return encodeProofFile({
          evidence: evidence.bundle,
          evidenceNonce: evidence.nonce,
          endorsements: evidence.endorsements,
          model: { name: model.name, version },
          nonce,
          inputs: ordered,
          ...received,
        });
      },
    };
    const unasked = unaskedOutputs(received.outputs, wanted);
    if (unasked !== null) throw new UnaskedAnswerError(unasked, answer);
    return answer;
  }

  /**
   * Proves that the log only grew: every head that was seen here is a prefix of the newest one. The
   * heads of the answers are proven against each other too: each could be of another log. At most 1024
   * answers may lie between two audits.
   * @returns the newest size of the log.
   * @throws as `LogClient.audit`.
   */
  audit(options: LogOptions = {}): Promise<number> {
    return this.log.audit(options);
  }

  /**
   * Ends the connection, as soon as the calls that were sent are answered. Those that wait to be sent, as every call
   * does in the tick that makes it, and later ones fail with CLIENT_UNREACHABLE.
   */
  close(): void {
    this.#channel.close();
  }
}
