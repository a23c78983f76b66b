import { AssayError } from '../../attestation/encoding/error.js';
import { encodeSalt } from '../../attestation/receipt/commitment.js';
import { useInferenceReceipt } from '../../attestation/receipt/inference-receipt.js';
import type { Issuer } from '../../enclave/issuer.js';
import { splitAnnotation } from './annotation.js';
import { base64Url, type InferenceProof, type InferenceRecord, type Recorder } from './recorder.js';
import type { StatedLoads } from './stated-loads.js';

/** Logs what the workers claim of their inferences, and answers with the receipts. */
export class ReceiptRecorder implements Recorder {
  readonly #issuer: Pick<Issuer, 'place'>;
  readonly #loads: StatedLoads;

  constructor(issuer: Pick<Issuer, 'place'>, loads: StatedLoads) {
    this.#issuer = issuer;
    this.#loads = loads;
  }

  /** Rejects with ENGINE_UNATTESTED for a load that no manifest has. */
  async record({ model, annotation }: InferenceRecord): Promise<InferenceProof> {
    if (annotation === undefined || !this.#loads.has(model)) {
      throw new AssayError(
        'ENGINE_UNATTESTED',
        `no manifest of this epoch has this load of model ${model.name} ${model.version}`,
      );
    }
    const { salt, entry, claims } = splitAnnotation(annotation);
    const place = await this.#issuer.place(entry);
    return {
      receipt: useInferenceReceipt(claims, place, base64Url),
      salt: base64Url(encodeSalt(salt)),
    };
  }
}
