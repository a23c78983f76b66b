import { createHmac, randomBytes, type X509Certificate } from 'node:crypto';
import {
  type AppraisedEnclave,
  type AppraisedInference,
  appraiseInference,
  assertAgrees,
  type InferenceExchange,
} from '../../attestation/appraisal/appraise-inference.js';
import type { AttestationResult } from '../../attestation/appraisal/result.js';
import { assertNonce } from '../../attestation/evidence/binding.js';
import type { Manifest, ManifestModel } from '../../attestation/evidence/manifest.js';
import { verifyConsistency } from '../../attestation/receipt/consistency.js';
import { encodeProofFile, type ProofEndorsements } from '../../attestation/receipt/proof-file.js';
import { decodeTreeHead, verifyTreeHead } from '../../attestation/receipt/tree-head.js';
import { type InferResponse, inferRequest, receivedInference } from './exchange.js';
import { LogWatch } from './log-watch.js';
import type { PinnedChannel } from './rpc.js';
import { findModel, orderInputs, orderOutputs } from './signature.js';
import type { Tensor } from './tensor.js';

/** Evidence as it was fetched and affirmed. */
export interface AttestedEvidence {
  /** `encodeBundle`. */
  readonly bundle: Uint8Array;
  /** The nonce that this client drew for it. */
  readonly nonce: Uint8Array;
  /** What this client used to appraise it, beside what the bundle carries. */
  readonly endorsements: ProofEndorsements;
}

/** Choices for one inference. */
export interface InferOptions {
  /** Version of the model; needed only where the enclave serves several. */
  readonly version?: string;
  /** Outputs to return; all unless given. */
  readonly outputs?: readonly string[];
  /** 32 bytes that the receipt must carry; random unless given. */
  readonly nonce?: Uint8Array;
  /** Milliseconds until the call is given up; 60 000 unless given. */
  readonly timeout?: number;
  readonly signal?: AbortSignal;
}

/** A verified answer. It does not exist without a valid receipt. */
export interface Inference extends AppraisedInference {
  /** In the order of the model's signature. */
  readonly outputs: readonly Tensor[];
  /** Everything that it takes to appraise this answer later, offline: `assay verify receipt`. */
  readonly proof: () => Uint8Array;
}

/** assay.v1.GetConsistencyProofResponse. */
interface ConsistencyAnswer {
  readonly tree_head: Uint8Array;
  readonly proof: Uint8Array;
}

const DEFAULT_TIMEOUT = 60_000;

const hmac = (key: Uint8Array) => createHmac('sha256', key);

/**
 * A connection to one enclave whose evidence was affirmed, over TLS to the very key that the evidence
 * covers. Every answer is verified before it is returned.
 */
export class Session {
  /** The appraisal that opened the session, check by check. */
  readonly result: AttestationResult;
  readonly evidence: AttestedEvidence;
  readonly #channel: PinnedChannel;
  readonly #enclave: AppraisedEnclave;
  readonly #log = new LogWatch();

  /** For `connect`, which has appraised the evidence and checked the TLS key. */
  constructor(
    channel: PinnedChannel,
    enclave: AppraisedEnclave,
    evidence: AttestedEvidence,
    result: AttestationResult,
  ) {
    this.#channel = channel;
    this.#enclave = enclave;
    this.evidence = evidence;
    this.result = result;
  }

  /** What the enclave states of itself, as the hardware's signature covers it. */
  get manifest(): Manifest {
    return this.#enclave.manifest;
  }

  /** The enclave's certificate, which any gRPC client may pin as its only root. */
  get certificate(): X509Certificate {
    return this.#channel.certificate;
  }

  /** The models that the attested manifest names. */
  models(): readonly ManifestModel[] {
    return this.#enclave.manifest.models;
  }

  /**
   * Executes a model and verifies the answer: the receipt is signed by the attested key, it covers
   * this request, this response and this nonce, and it names the model of the manifest.
   * @throws AssayError CLIENT_MODEL, CLIENT_INPUT, CLIENT_OUTPUT before anything is sent; CLIENT_TLS_PIN,
   *   CLIENT_UNREACHABLE or CLIENT_SERVICE from the call; RECEIPT_… or CLAIMS_… for an answer that does
   *   not hold.
   */
  async infer(
    name: string,
    inputs: readonly Tensor[],
    options: InferOptions = {},
  ): Promise<Inference> {
    const model = findModel(this.manifest, name, options.version);
    const ordered = orderInputs(model, inputs);
    const wanted = orderOutputs(model, options.outputs);
    const nonce = options.nonce ?? new Uint8Array(randomBytes(32));
    assertNonce(nonce);
    const response = await this.#channel.call<InferResponse>(
      'inference.GRPCInferenceService',
      'ModelInfer',
      inferRequest(model, ordered, wanted, nonce),
      { timeout: options.timeout ?? DEFAULT_TIMEOUT, signal: options.signal },
    );
    const received = receivedInference(response, wanted);
    const exchange: InferenceExchange = {
      model: model.name,
      version: model.version,
      nonce,
      inputs: ordered,
      ...received,
    };
    const appraised = await appraiseInference(exchange, this.#enclave, hmac);
    assertAgrees(appraised);
    this.#log.observe(appraised.head);
    return {
      ...appraised,
      outputs: received.outputs,
      proof: () =>
        encodeProofFile({
          evidence: this.evidence.bundle,
          evidenceNonce: this.evidence.nonce,
          endorsements: this.evidence.endorsements,
          model: { name: model.name, version: model.version },
          nonce,
          inputs: ordered,
          outputs: received.outputs,
          receipt: received.receipt,
          salt: received.salt,
        }),
    };
  }

  /**
   * Proves that the log only grew: every head that this session saw is a prefix of the newest one.
   * @returns the newest size of the log.
   * @throws AssayError RECEIPT_CONSISTENCY, RECEIPT_FORK or another RECEIPT_ code: the enclave dropped,
   *   moved or rewrote an answer that it had signed for. CLIENT_… as `infer`.
   */
  async audit(options: Pick<InferOptions, 'timeout' | 'signal'> = {}): Promise<number> {
    const { signingKey } = this.manifest;
    let size = 0;
    for (const older of this.#log.heads()) {
      const answer = await this.#channel.call<ConsistencyAnswer>(
        'assay.v1.Attestation',
        'GetConsistencyProof',
        { old_size: older.size },
        { timeout: options.timeout ?? DEFAULT_TIMEOUT, signal: options.signal },
      );
      const newest = decodeTreeHead(answer.tree_head);
      await verifyTreeHead(newest, signingKey);
      this.#log.observe(newest);
      if (newest.size !== older.size) {
        await verifyConsistency(answer.proof, older, newest, signingKey);
      }
      size = newest.size;
    }
    this.#log.settle(size);
    return size;
  }

  /** Ends the connection; calls under way fail. */
  close(): void {
    this.#channel.close();
  }
}
