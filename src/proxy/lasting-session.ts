import { status } from '@grpc/grpc-js';
import { equalBytes } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { DEFAULT_TIMEOUT } from '../client/rpc.js';
import type { Inference, InferOptions, Session } from '../client/session.js';
import type { Tensor } from '../client/tensor.js';
import { type CallOptions, within } from '../client/within.js';
import { RpcError } from '../server/rpc-error.js';

/** What became of the session that answers are taken from. */
export type SessionChange =
  /** Nothing is passed on until there is another. */
  | { readonly kind: 'over'; readonly error: unknown }
  /** There is none yet; `wait` milliseconds pass before the next attempt. */
  | { readonly kind: 'failed'; readonly error: unknown; readonly wait: number }
  /** A session that is affirmed: a new one, or the one before where it was of the same epoch. */
  | { readonly kind: 'attested'; readonly session: Session };

interface LastingOptions {
  /** Attests the server again, as the first session was made; rejects unless it is affirmed, and as the signal says. */
  readonly connect: (signal: AbortSignal) => Promise<Session>;
  readonly onChange: (change: SessionChange) => void;
  /** Milliseconds of a clock that only goes forward. */
  readonly now: () => number;
}

/** Milliseconds that an appraisal stands: as long as the cache keeps what it judges revocation and TCB by. */
const STANDS = 24 * 3600 * 1000;
/** Milliseconds after the first attempt in vain; each doubles them. */
const FIRST_WAIT = 1000;
const LONGEST_WAIT = 30_000;

/** Another key is at the server's place: of an enclave that was started again, or of somebody else. */
function isOver(error: unknown): boolean {
  return error instanceof AssayError && error.code === 'CLIENT_TLS_PIN';
}

/** What a call is answered that was not sent, since no session is affirmed. */
function unsent(error: unknown): RpcError {
  if (!(error instanceof AssayError)) {
    return new RpcError(status.UNAVAILABLE, 'the server could not be attested anew');
  }
  const refused = error.code === 'CLIENT_REFUSED';
  const code = refused ? status.FAILED_PRECONDITION : status.UNAVAILABLE;
  return new RpcError(code, `${error.code}: ${error.message}`);
}

function late(): RpcError {
  return new RpcError(
    status.DEADLINE_EXCEEDED,
    'the server was not attested anew in time: the request was not sent',
  );
}

/** What was revoked since, or accepted until a time that is past, no answer tells. */
function expired(): AssayError {
  return new AssayError('CLIENT_UNCHECKED', 'a day has passed since the server was attested');
}

/**
 * Sessions with one server after another, each affirmed under the same policy: an enclave that is started
 * again has new keys. Once a session is over, or its appraisal a day old, calls and questions of readiness make
 * the next one, one attempt for all that wait; after one in vain they are answered at once until its wait is
 * over. Nobody asks, nobody attests. What a host interrupts for a while is the same epoch still, as is what a day
 * has passed for: its session goes on, with the log heads that it has seen.
 */
export class LastingSession {
  readonly #options: LastingOptions;
  readonly #first: Session;
  readonly #closed = new AbortController();
  #session: Session;
  /** Why there is no session; undefined while there is. */
  #lost: { readonly error: unknown } | undefined;
  #renewing: Promise<void> | undefined;
  /** Sessions that were affirmed, also where one was of the epoch before. */
  #affirmations = 1;
  /** Since the last answer. */
  #attempts = 0;
  #due = Number.NEGATIVE_INFINITY;
  /** From then on the appraisal stands no longer. */
  #expires: number;

  /** @param first is closed once another is in its place; left open by `close`. */
  constructor(first: Session, options: LastingOptions) {
    this.#first = first;
    this.#session = first;
    this.#options = options;
    this.#expires = options.now() + STANDS;
  }

  /**
   * As `Session.infer`; rejects with CLIENT_TLS_PIN where the session turns out to be over. Where it is over
   * already, and no new one could be made, with RpcError FAILED_PRECONDITION for an enclave that the policy
   * refuses, else UNAVAILABLE or DEADLINE_EXCEEDED. No request is sent twice.
   */
  async infer(
    name: string,
    inputs: readonly Tensor[],
    options: InferOptions = {},
  ): Promise<Inference> {
    const { timeout = DEFAULT_TIMEOUT, signal } = options;
    const deadline = performance.now() + timeout;
    const session = await this.#affirmed({ timeout, signal });
    const affirmation = this.#affirmations;
    try {
      const left = Math.max(1, deadline - performance.now());
      const answer = await session.infer(name, inputs, { ...options, timeout: left });
      this.#answered(session);
      return answer;
    } catch (error) {
      this.#judge(affirmation, error);
      throw error;
    }
  }

  /** As `Session.ready`; false while there is no session. */
  async ready(model?: { readonly name: string; readonly version?: string }): Promise<boolean> {
    this.#age();
    if (this.#lost !== undefined) {
      this.#renew();
      return false;
    }
    const affirmation = this.#affirmations;
    try {
      return await this.#session.ready(model);
    } catch (error) {
      this.#judge(affirmation, error);
      if (isOver(error)) return false;
      throw error;
    }
  }

  /** Ends the session, unless it is the first, and an attempt to make another. */
  close(): void {
    this.#closed.abort();
    if (this.#session !== this.#first) this.#session.close();
  }

  async #affirmed(bounds: CallOptions): Promise<Session> {
    this.#age();
    if (this.#lost !== undefined) this.#renew();
    if (this.#renewing !== undefined) await within(this.#renewing, bounds, late);
    if (this.#lost !== undefined) throw unsent(this.#lost.error);
    return this.#session;
  }

  #answered(session: Session): void {
    if (session !== this.#session || this.#lost !== undefined) return;
    this.#attempts = 0;
    this.#due = Number.NEGATIVE_INFINITY;
  }

  #age(): void {
    if (this.#lost === undefined && this.#options.now() >= this.#expires) this.#lose(expired());
  }

  /** @param affirmation what the call was sent under: what is over since tells nothing of the next. */
  #judge(affirmation: number, error: unknown): void {
    if (!isOver(error) || affirmation !== this.#affirmations || this.#lost !== undefined) return;
    this.#lose(error);
  }

  #lose(error: unknown): void {
    this.#lost = { error };
    this.#options.onChange({ kind: 'over', error });
    this.#renew();
  }

  /** Begins an attempt, unless one is under way or it is too early. */
  #renew(): void {
    if (this.#renewing !== undefined || this.#options.now() < this.#due) return;
    this.#renewing = this.#attempt().finally(() => {
      this.#renewing = undefined;
    });
  }

  /** Resolves when the attempt is over, whatever became of it. */
  async #attempt(): Promise<void> {
    const { connect, onChange, now } = this.#options;
    const wait = Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#attempts);
    this.#attempts++;
    try {
      const made = await connect(this.#closed.signal);
      this.#due = now() + wait;
      this.#adopt(made);
      onChange({ kind: 'attested', session: this.#session });
    } catch (error) {
      this.#due = now() + wait;
      this.#lost = { error };
      if (!this.#closed.signal.aborted) onChange({ kind: 'failed', error, wait });
    }
  }

  #adopt(made: Session): void {
    if (this.#closed.signal.aborted) {
      made.close();
      this.#closed.signal.throwIfAborted();
    }
    const before = this.#session;
    const same = equalBytes(made.manifest.epoch, before.manifest.epoch);
    this.#session = same ? before : made;
    this.#affirmations++;
    this.#expires = this.#options.now() + STANDS;
    this.#lost = undefined;
    // What an enclave that ends still answers is good.
    (same ? made : before).close();
  }
}
