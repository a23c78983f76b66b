import type { ManifestModel } from '../../attestation/evidence/manifest-model.js';
import { encodeClaims } from '../../attestation/receipt/claims.js';
import type { LoadedModel } from '../engine/engine.js';

type Load = Pick<LoadedModel, 'loadId'>;

/** What every claim of a load says. */
export interface StatedLoad {
  readonly model: ManifestModel;
  /** SHA-256 of the manifest that has it. */
  readonly manifest: Uint8Array;
  readonly epoch: Uint8Array;
  /** COSE Key Thumbprint of the key that signs the log. */
  readonly signingKey: Uint8Array;
}

interface Stated {
  readonly load: StatedLoad;
  issuedAt: number;
  /** Claims of that second, with zeros for what only an inference knows. */
  claims: Uint8Array;
}

const UNKNOWN = new Uint8Array(32);

/**
 * What the manifests of this epoch have, by load: a request that was admitted before a model was replaced
 * finishes on the old one, and its receipt says so.
 */
export class StatedLoads {
  readonly #now: () => Date;
  readonly #loads = new Map<number, Stated>();

  /** @param now the enclave's clock, which is the host's to turn: `iat` proves no order. */
  constructor(now: () => Date) {
    this.#now = now;
  }

  /** From now on, inferences of this load are claimed so. */
  state({ loadId }: Load, load: StatedLoad): void {
    this.#loads.set(loadId, { load, issuedAt: -1, claims: UNKNOWN });
  }

  /** A load that answers nothing any more. */
  forget({ loadId }: Load): void {
    this.#loads.delete(loadId);
  }

  /**
   * The annotator's context of an execution that is dispatched now: claims that lack the nonce and both
   * commitments; undefined for a load that no manifest has.
   */
  context(loadId: number): Uint8Array | undefined {
    const stated = this.#loads.get(loadId);
    if (stated === undefined) return undefined;
    const issuedAt = Math.floor(this.#now().getTime() / 1000);
    if (issuedAt !== stated.issuedAt) {
      const { model, ...others } = stated.load;
      const { name, version, graph, execution } = model;
      stated.issuedAt = issuedAt;
      stated.claims = encodeClaims({
        ...others,
        issuedAt,
        nonce: null,
        model: { name, version },
        graph,
        execution,
        request: UNKNOWN,
        response: UNKNOWN,
      });
    }
    return stated.claims;
  }
}
