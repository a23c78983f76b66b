import {
  assertNonce,
  type ChallengePosition,
  makeChallenge,
} from '../attestation/evidence/binding.js';

interface Waiting<Evidence> {
  readonly nonce: Uint8Array;
  readonly resolve: (answer: Answer<Evidence>) => void;
  readonly reject: (reason: unknown) => void;
}

/** Evidence that covers a caller's nonce, and where. */
export interface Answer<Evidence> {
  readonly evidence: Evidence;
  readonly position: ChallengePosition;
}

/** Nonces that one report answers at most; the path of each is then at most 16 nodes. */
const MAX_BATCH = 65_536;

/**
 * Answers nonces with hardware reports, one report at a time: the nonces that come while one is made
 * become the tree of the next. So the cost for each caller falls as load grows.
 */
export class Challenger<Evidence> {
  readonly #attest: (challenge: Uint8Array) => Promise<Evidence>;
  #waiting: Waiting<Evidence>[] = [];
  #busy = false;
  #reports = 0;
  #answers = 0;

  /** @param attest makes evidence that covers a challenge of 32 bytes. */
  constructor(attest: (challenge: Uint8Array) => Promise<Evidence>) {
    this.#attest = attest;
  }

  /** Hardware reports made, and nonces that they answered. */
  get counts(): { readonly reports: number; readonly answers: number } {
    return { reports: this.#reports, answers: this.#answers };
  }

  /** Rejects with BINDING_NONCE unless the nonce has 32 bytes, or with the platform's error. */
  async answer(nonce: Uint8Array): Promise<Answer<Evidence>> {
    assertNonce(nonce);
    return new Promise((resolve, reject) => {
      this.#waiting.push({ nonce, resolve, reject });
      if (!this.#busy) void this.#run();
    });
  }

  async #run(): Promise<void> {
    this.#busy = true;
    while (this.#waiting.length > 0) {
      const batch = this.#waiting.splice(0, MAX_BATCH);
      try {
        const positions = makeChallenge(batch.map(({ nonce }) => nonce));
        const evidence = await this.#attest(positions[0]?.root ?? new Uint8Array());
        this.#reports += 1;
        this.#answers += positions.length;
        positions.forEach((position, i) => {
          batch[i]?.resolve({ evidence, position });
        });
      } catch (error) {
        for (const { reject } of batch) reject(error);
      }
    }
    this.#busy = false;
  }
}
