import { setTimeout as delay } from 'node:timers/promises';
import { AssayError, type ErrorCode } from '../../attestation/encoding/error.js';

/** A failure that another attempt may not have: a connection, or a service out of order. */
export class TemporaryError extends AssayError {
  /** Retry-After as the service sent it. */
  readonly retryAfter: string | undefined;

  constructor(code: ErrorCode, message: string, cause?: unknown, retryAfter?: string) {
    super(code, message, cause);
    this.retryAfter = retryAfter;
  }
}

/** When to try again; tests put their own clock in. */
export interface RetryPolicy {
  /** Failures in a row, without progress between them, before giving up. */
  readonly attempts: number;
  readonly sleep: (milliseconds: number) => Promise<unknown>;
  readonly now: () => Date;
  /** From 0 to 1: spreads clients that failed together. */
  readonly random: () => number;
}

export const DEFAULT_RETRY: RetryPolicy = {
  attempts: 5,
  sleep: (milliseconds) => delay(milliseconds),
  now: () => new Date(),
  random: Math.random,
};

const FIRST_DELAY = 500;
const LONGEST_DELAY = 30_000;
/** A service that wants to be left alone for longer gets its will: the caller is told. */
const LONGEST_RETRY_AFTER = 120_000;

/** Milliseconds that a Retry-After header asks for (RFC 9110 section 10.2.3). */
function asked(header: string | undefined, now: Date): number {
  if (header === undefined) return 0;
  if (/^\d+$/.test(header)) return Math.min(Number(header), Number.MAX_SAFE_INTEGER) * 1000;
  const time = Date.parse(header);
  return Number.isNaN(time) ? 0 : Math.max(0, time - now.getTime());
}

/** Pauses between failures of one transfer: longer each time, and never shorter than asked for. */
export class Backoff {
  readonly #policy: RetryPolicy;
  #failures = 0;

  constructor(policy: RetryPolicy) {
    this.#policy = policy;
  }

  /** Something arrived: earlier failures no longer count. */
  progress(): void {
    this.#failures = 0;
  }

  /** Waits before the next attempt; throws `error` if none may help, or after enough of them. */
  async pause(error: unknown): Promise<void> {
    const { attempts, sleep, now, random } = this.#policy;
    this.#failures += 1;
    if (!(error instanceof TemporaryError) || this.#failures >= attempts) throw error;
    const least = asked(error.retryAfter, now());
    if (least > LONGEST_RETRY_AFTER) {
      throw new AssayError(
        'HUB_BUSY',
        `expected the registry to serve within ${LONGEST_RETRY_AFTER / 1000} s: it asks to wait ${Math.ceil(least / 1000)} s`,
        error,
      );
    }
    const own = Math.min(FIRST_DELAY * 2 ** (this.#failures - 1), LONGEST_DELAY);
    await sleep(Math.max(least, own * (0.5 + random() / 2)));
  }
}
