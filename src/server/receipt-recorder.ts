import { AssayError } from '../../attestation/encoding/error.js';
import type { ManifestModel } from '../../attestation/evidence/manifest.js';
import { encodeClaims } from '../../attestation/receipt/claims.js';
import { encodeSalt } from '../../attestation/receipt/commitment.js';
import { encodeInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import type { Enclave } from '../../enclave/enclave.js';
import type { LoadedModel } from '../engine/engine.js';
import { splitAnnotation } from './annotate.js';
import type { InferenceProof, InferenceRecord, Recorder } from './recorder.js';

/** What of an enclave states inferences. */
export type Stating = Pick<Enclave, 'keys' | 'issuer'>;

/** What was stated of a load: the model's entry, and the manifest that has it. */
interface Stated {
  readonly model: ManifestModel;
  /** SHA-256 of the manifest. */
  readonly manifest: Uint8Array;
}

/**
 * States each inference in the enclave's log, under the load that executed it: a request that was
 * admitted before a model was replaced finishes on the old one, and its receipt says so.
 * @param now the enclave's clock, which is the host's to turn: `iat` proves no order.
 */
export class ReceiptRecorder implements Recorder {
  readonly #enclave: Stating;
  readonly #now: () => Date;
  readonly #loads = new Map<number, Stated>();

  constructor(enclave: Stating, now: () => Date) {
    this.#enclave = enclave;
    this.#now = now;
  }

  /** From now on, inferences of this load are claimed under this manifest. */
  stated(
    { loadId }: Pick<LoadedModel, 'loadId'>,
    model: ManifestModel,
    manifest: Uint8Array,
  ): void {
    this.#loads.set(loadId, { model, manifest });
  }

  /** A load that answers nothing any more. */
  forget({ loadId }: Pick<LoadedModel, 'loadId'>): void {
    this.#loads.delete(loadId);
  }

  /** Rejects with ENGINE_UNATTESTED for a load that no manifest has. */
  async record({ model, nonce, annotation }: InferenceRecord): Promise<InferenceProof> {
    const stated = this.#loads.get(model.loadId);
    if (stated === undefined) {
      throw new AssayError(
        'ENGINE_UNATTESTED',
        `no manifest of this epoch has this load of model ${model.name} ${model.version}`,
      );
    }
    const { keys, issuer } = this.#enclave;
    const { name, version, graph, execution } = stated.model;
    const { salt, request, response } = splitAnnotation(annotation);
    const claims = encodeClaims({
      issuedAt: Math.floor(this.#now().getTime() / 1000),
      nonce: nonce ?? null,
      epoch: keys.epoch,
      model: { name, version },
      graph,
      execution,
      request,
      response,
      manifest: stated.manifest,
      signingKey: keys.signing.id,
    });
    const receipt = await issuer.issue(claims);
    return {
      receipt: encodeInferenceReceipt({ claims, receipt }),
      salt: encodeSalt(salt),
    };
  }
}
