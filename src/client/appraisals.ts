import { status } from '@grpc/grpc-js';
import type { AppraisedEnclave } from '../../attestation/appraisal/appraise-inference.js';
import { Recent } from '../../attestation/appraisal/recent.js';
import type { AttestationResult } from '../../attestation/appraisal/result.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { manifestDigest } from '../../attestation/evidence/manifest.js';
import type { ProofEndorsements } from '../../attestation/receipt/proof-file.js';
import { type CallOptions, within } from './within.js';

/** Evidence as it was fetched and affirmed. */
export interface AttestedEvidence {
  /** `encodeBundle`. */
  readonly bundle: Uint8Array;
  /** The nonce that this client drew for it. */
  readonly nonce: Uint8Array;
  /** What this client used to appraise it, beside what the bundle carries. */
  readonly endorsements: ProofEndorsements;
}

/** An enclave as one affirmed manifest states it. */
export interface Affirmed {
  readonly result: AttestationResult;
  readonly enclave: AppraisedEnclave;
  readonly evidence: AttestedEvidence;
}

/** Manifests that are remembered: answers under way when models change are of the one before. */
const MAX_MANIFESTS = 8;

function attestedLate(): AssayError {
  const details = 'the enclave stated another manifest and was not attested again in time';
  const cause = Object.assign(new Error(details), { code: status.DEADLINE_EXCEEDED, details });
  return new AssayError('CLIENT_SERVICE', `DEADLINE_EXCEEDED: ${details}`, cause);
}

/** What was found of one enclave under one policy: now, and by the manifest that an answer names. */
export class Appraisals {
  readonly #affirm: () => Promise<Affirmed>;
  /** By the manifest's digest. */
  readonly #known = new Recent<Affirmed>(MAX_MANIFESTS);
  #current: Affirmed;
  #refreshing: Promise<void> | undefined;
  #isRefused = false;

  /** @param affirm attests again over the same channel; rejects unless it is affirmed. */
  constructor(first: Affirmed, affirm: () => Promise<Affirmed>) {
    this.#affirm = affirm;
    this.#current = first;
    this.#remember(first);
  }

  /** The newest that is affirmed. */
  get current(): Affirmed {
    return this.#current;
  }

  /** Whether the newest evidence was refused: nothing is to be sent until other evidence is affirmed. */
  get isRefused(): boolean {
    return this.#isRefused;
  }

  /** One attestation for all that ask at the same time; rejects as `affirm`. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#renew().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /** `refresh`, which goes on for other calls where this one's bounds end it. */
  async refreshWithin(bounds: CallOptions): Promise<void> {
    await within(this.refresh(), bounds, attestedLate);
  }

  /**
   * The enclave as the manifest with this digest states it: attested again if it is not known. That
   * goes on for other calls where this one's bounds end it. Undefined where the manifest is of the past
   * already, for which no evidence can be had.
   */
  async statedBy(manifest: Uint8Array, bounds: CallOptions): Promise<Affirmed | undefined> {
    const digest = toHex(manifest);
    const known = this.#known.peek(digest);
    if (known !== undefined) return known;
    await within(this.#learn(digest), bounds, attestedLate);
    return this.#known.peek(digest);
  }

  /** Attests until the manifest is known: an attestation under way may have begun before it was stated. */
  async #learn(digest: string): Promise<void> {
    const begunBefore = this.#refreshing !== undefined;
    await this.refresh();
    if (begunBefore && this.#known.peek(digest) === undefined) await this.refresh();
  }

  async #renew(): Promise<void> {
    try {
      this.#current = await this.#affirm();
      this.#isRefused = false;
      this.#remember(this.#current);
    } catch (error) {
      if (error instanceof AssayError && error.code === 'CLIENT_REFUSED') this.#isRefused = true;
      throw error;
    }
  }

  #remember(affirmed: Affirmed): void {
    this.#known.put(toHex(manifestDigest(affirmed.enclave.manifestBytes)), affirmed);
  }
}
