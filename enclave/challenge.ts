import { setImmediate } from 'node:timers/promises';
import { AssayError } from '../attestation/encoding/error.js';
import {
  assertNonce,
  type ChallengePosition,
  makeChallenge,
} from '../attestation/evidence/binding.js';
import { NonceQueue } from './nonce-queue.js';

/** Who asks for evidence. */
export interface Caller {
  /** Callers of one address share a place among those that wait. */
  readonly address: string;
  /** Takes what is to be called when the caller goes away: nothing of its nonce is kept then. */
  readonly onCancel: (listener: () => void) => void;
}

interface Waiting<Evidence> {
  readonly nonce: Uint8Array;
  readonly address: string;
  readonly resolve: (answer: Answer<Evidence>) => void;
  readonly reject: (reason: unknown) => void;
  /** It was answered, or its caller went away. */
  settled: boolean;
}

/** Evidence that covers a caller's nonce, and where. */
export interface Answer<Evidence> {
  readonly evidence: Evidence;
  readonly position: ChallengePosition;
}

/**
 * Nonces that one report answers at most; the path of each is then at most 12 nodes. With so many a caller's
 * share of the slowest report is less than what its own answer costs, so more would save nothing.
 */
const MAX_BATCH = 4096;
/** Nonces that wait at most: those of one address become a whole report. */
const MAX_WAITING = 2 * MAX_BATCH;
/** Answers given in one turn of the event loop: each is encoded and sent before anything else happens. */
const SLICE = 64;

/** One that stays. */
const NOBODY: Caller = { address: '', onCancel: () => undefined };

/**
 * Answers nonces with hardware reports, one report at a time: the nonces that come while one is made
 * become the tree of the next. So the cost for each caller falls as load grows.
 */
export class Challenger<Evidence> {
  readonly #attest: (challenge: Uint8Array) => Promise<Evidence>;
  readonly #queue = new NonceQueue<Waiting<Evidence>>(MAX_WAITING);
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

  /**
   * Rejects with BINDING_NONCE unless the nonce has 32 bytes, with PLATFORM_EXHAUSTED at once where too many
   * wait, with PLATFORM_CANCELLED as soon as the caller goes away, or with the platform's error.
   */
  async answer(nonce: Uint8Array, caller: Caller = NOBODY): Promise<Answer<Evidence>> {
    assertNonce(nonce);
    return new Promise((resolve, reject) => {
      const waiting = { nonce, address: caller.address, resolve, reject, settled: false };
      this.#queue.push(waiting);
      caller.onCancel(() => this.#cancel(waiting));
      if (!this.#busy) void this.#run();
    });
  }

  #cancel(waiting: Waiting<Evidence>): void {
    if (waiting.settled) return;
    waiting.settled = true;
    this.#queue.remove(waiting);
    waiting.reject(
      new AssayError('PLATFORM_CANCELLED', 'the caller went away before its nonce was answered'),
    );
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (;;) {
      const batch = this.#queue.take(MAX_BATCH);
      if (batch.length === 0) break;
      await this.#report(batch);
    }
    this.#busy = false;
  }

  async #report(batch: readonly Waiting<Evidence>[]): Promise<void> {
    try {
      const positions = makeChallenge(batch.map(({ nonce }) => nonce));
      const evidence = await this.#attest(positions[0]?.root ?? new Uint8Array());
      this.#reports += 1;
      await settle(batch, ({ resolve }, index) => {
        const position = positions[index];
        if (position === undefined) return;
        this.#answers += 1;
        resolve({ evidence, position });
      });
    } catch (error) {
      await settle(batch, ({ reject }) => reject(error));
    }
  }
}

/** Settles those whose callers are still there when their slice comes. */
async function settle<Evidence>(
  batch: readonly Waiting<Evidence>[],
  how: (waiting: Waiting<Evidence>, index: number) => void,
): Promise<void> {
  for (const [index, waiting] of batch.entries()) {
    if (index > 0 && index % SLICE === 0) await setImmediate();
    if (waiting.settled) continue;
    waiting.settled = true;
    how(waiting, index);
  }
}
