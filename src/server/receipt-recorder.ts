import { AssayError } from '../../attestation/encoding/error.js';
import type { ManifestModel } from '../../attestation/evidence/manifest.js';
import { encodeClaims } from '../../attestation/receipt/claims.js';
import { encodeInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import type { Enclave } from '../../enclave/boot.js';
import { splitAnnotation } from './annotate.js';
import type { InferenceProof, InferenceRecord, Recorder } from './recorder.js';

/** What of an enclave states inferences. */
export type Stating = Pick<Enclave, 'manifest' | 'manifestDigest' | 'keys' | 'issuer'>;

/**
 * States each inference in the enclave's log.
 * @param now the enclave's clock, which is the host's to turn: `iat` proves no order.
 */
export class ReceiptRecorder implements Recorder {
  readonly #enclave: Stating;
  readonly #now: () => Date;
  readonly #models: ReadonlyMap<string, ManifestModel>;

  constructor(enclave: Stating, now: () => Date) {
    this.#enclave = enclave;
    this.#now = now;
    this.#models = new Map(
      enclave.manifest.models.map((model) => [`${model.name}\0${model.version}`, model]),
    );
  }

  /** Rejects with ENGINE_UNATTESTED for a model that the manifest does not have. */
  async record({ model, nonce, annotation }: InferenceRecord): Promise<InferenceProof> {
    const { manifest, manifestDigest, keys, issuer } = this.#enclave;
    const stated = this.#models.get(`${model.name}\0${model.version}`);
    if (stated === undefined) {
      throw new AssayError(
        'ENGINE_UNATTESTED',
        `the manifest of this epoch does not have model ${model.name} ${model.version}`,
      );
    }
    const { salt, request, response } = splitAnnotation(annotation);
    const claims = encodeClaims({
      issuedAt: Math.floor(this.#now().getTime() / 1000),
      nonce: nonce ?? null,
      epoch: manifest.epoch,
      model: { name: stated.name, version: stated.version },
      graph: stated.graph,
      execution: stated.execution,
      request,
      response,
      manifest: manifestDigest,
      signingKey: keys.signing.id,
    });
    const receipt = await issuer.issue(claims);
    return { receipt: encodeInferenceReceipt({ claims, receipt }), salt };
  }
}
