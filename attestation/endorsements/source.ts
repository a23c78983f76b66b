import { AssayError } from '../encoding/error.js';

/** What a vendor's service answered. Header names are in lower case. */
export interface Fetched {
  readonly body: Uint8Array<ArrayBuffer>;
  readonly headers: Readonly<Record<string, string>>;
}

/** An answer with the time it was fetched. */
export interface CachedAnswer extends Fetched {
  readonly storedAt: Date;
}

/**
 * Where answers are kept. Untrusted in the same way as the network: what comes out is judged as if it
 * had just been fetched. An implementation answers undefined for an entry that it cannot read, and may
 * reject what it cannot keep: the answer serves nevertheless, and is asked for again the next time.
 */
export interface EndorsementCache {
  get(url: string): Promise<CachedAnswer | undefined>;
  put(url: string, answer: CachedAnswer): Promise<void>;
}

/** How long an answer may be used; null is for good. */
export interface Retention {
  /** From then on a new one is asked for, and this one serves only while the vendor is unreachable. */
  readonly refreshAfter: Date | null;
  /** From then on it is never served. */
  readonly expires: Date | null;
  /** When the vendor signed it: nothing older takes its place. Null where one is as good as another. */
  readonly issued: Date | null;
}

/**
 * Judges an answer when it is fetched and each time it is read from the cache: throws where it is not
 * what was asked for, or where the vendor did not sign it, and says for how long it may be used.
 */
export type Retain = (answer: Fetched, storedAt: Date) => Promise<Retention>;

/** Where answers come from and where they are kept: the network and the clock, as the caller has them. */
export interface SourceOptions {
  readonly cache?: EndorsementCache;
  /** The only clock: for retention, not for the validity of certificates. */
  readonly now: () => Date;
  readonly fetch?: typeof globalThis.fetch;
  readonly sleep?: (milliseconds: number) => Promise<void>;
  /** Deadline of one attempt, 15 s unless given. Milliseconds. */
  readonly timeout?: number;
}

/** Attempts for one answer; half of them where there is no network. */
const ATTEMPTS = 4;
const MAX_BODY = 4 * 1024 * 1024;
/** Longest wait that a Retry-After is honoured for; longer means unavailable. Milliseconds. */
const PATIENCE = 30_000;

function unavailable(url: string, why: string, cause?: unknown): AssayError {
  return new AssayError(
    'ENDORSEMENTS_UNAVAILABLE',
    `could not fetch from ${new URL(url).host}: ${why}`,
    cause,
  );
}

/**
 * What a fetched answer's `retain` says. An answer of another kind, such as a proxy's page, is none of
 * the vendor's: it says nothing of the evidence.
 */
async function judged(url: string, retain: () => Promise<Retention>): Promise<Retention> {
  try {
    return await retain();
  } catch (error) {
    if (!(error instanceof AssayError) || error.code === 'CRYPTO_UNAVAILABLE') throw error;
    throw unavailable(url, `its answer is not what was asked for: ${error.message}`, error);
  }
}

/** IMF-fixdate (RFC 9110 section 5.6.7). `Date.parse` takes much else for a date, -1 and 1.5 among it. */
const FIXED_DATE = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

/** Retry-After in milliseconds (RFC 9110 section 10.2.3): seconds or a date; undefined for anything else. */
function retryAfter(header: string | null, now: Date): number | undefined {
  if (header === null) return undefined;
  if (/^\d+$/.test(header)) return Number(header) * 1000;
  const date = FIXED_DATE.test(header) ? Date.parse(header) : Number.NaN;
  return Number.isNaN(date) ? undefined : Math.max(0, date - now.getTime());
}

/** Statuses that say that there is no such endorsement (RFC 9110 sections 15.5.5 and 15.5.11). */
const ABSENT: readonly number[] = [404, 410];

async function readBody(response: Response, url: string): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const reader = response.body?.getReader();
  while (reader !== undefined) {
    const { done, value } = await reader.read();
    if (done) break;
    length += value.length;
    if (length > MAX_BODY) {
      await reader.cancel();
      throw unavailable(url, `the answer is larger than ${MAX_BODY} bytes`);
    }
    parts.push(value);
  }
  const body = new Uint8Array(length);
  let offset = 0;
  for (const part of parts) {
    body.set(part, offset);
    offset += part.length;
  }
  return body;
}

/** An answer that may be used, and when the vendor signed it. */
interface Judged extends Pick<Retention, 'issued'> {
  readonly answer: CachedAnswer;
}

/** One try: an answer, or how long to wait before the next one. */
type Attempt =
  | { readonly answer: Fetched }
  | { readonly wait: number | undefined; readonly why: string; readonly answered: boolean };

/**
 * Fetches endorsements from vendors' services: the only input and output of the verifier. Answers
 * are cached as their `Retain` says, equal requests share one fetch, not its judgement, and rate limits are
 * honoured.
 */
export class EndorsementSource {
  readonly #options: SourceOptions;
  readonly #pending = new Map<string, Promise<Fetched>>();

  constructor(options: SourceOptions) {
    this.#options = options;
  }

  /**
   * The answer to a GET: the vendor's, but for one that the vendor signed before what the cache has, as whoever
   * stands between replays it. Throws ENDORSEMENTS_UNAVAILABLE where neither the vendor nor the cache has
   * a usable one (nothing was checked, nothing failed; the cause is what `retain` threw, if it did),
   * and ENDORSEMENTS_UNKNOWN where the vendor says that there is none, whatever the cache has.
   */
  async get(url: string, retain: Retain): Promise<Fetched> {
    const cached = await this.#usable(url, retain);
    if (cached?.fresh === true) return cached.answer;
    let current: Judged;
    try {
      current = await this.#current(url, retain);
    } catch (error) {
      const isUnreachable =
        error instanceof AssayError && error.code === 'ENDORSEMENTS_UNAVAILABLE';
      if (cached === undefined || !isUnreachable) throw error;
      return cached.answer;
    }
    if (cached !== undefined && (current.issued ?? 0) < (cached.issued ?? 0)) return cached.answer;
    await this.#keep(url, current.answer);
    return current.answer;
  }

  /** The vendor's own answer, judged. */
  async #current(url: string, retain: Retain): Promise<Judged> {
    const fetched = await this.#shared(url);
    const storedAt = this.#options.now();
    const { expires, issued } = await judged(url, () => retain(fetched, storedAt));
    if (expires !== null && expires <= storedAt) {
      throw unavailable(url, `the vendor serves what expired at ${expires.toISOString()}`);
    }
    return { answer: { ...fetched, storedAt }, issued };
  }

  /** A full or read-only disk is no reason to do without an answer that is at hand. */
  async #keep(url: string, answer: CachedAnswer): Promise<void> {
    try {
      await this.#options.cache?.put(url, answer);
    } catch {
      return;
    }
  }

  /** The cached answer if it may still be used, and whether it needs no refresh. */
  async #usable(
    url: string,
    retain: Retain,
  ): Promise<(Judged & { readonly fresh: boolean }) | undefined> {
    const answer = await this.#options.cache?.get(url);
    if (answer === undefined) return undefined;
    const now = this.#options.now();
    let retention: Retention;
    try {
      retention = await retain(answer, answer.storedAt);
    } catch (error) {
      if (error instanceof AssayError) return undefined;
      throw error;
    }
    const { refreshAfter, expires, issued } = retention;
    if (expires !== null && now >= expires) return undefined;
    // How old an answer of the future is, nobody knows: the clock was set back.
    const isFresh = refreshAfter === null || (answer.storedAt <= now && now < refreshAfter);
    return { answer, issued, fresh: isFresh };
  }

  /** The vendor's answer to all who ask at one time: who trusts which root is for each of them to judge. */
  #shared(url: string): Promise<Fetched> {
    const pending = this.#pending.get(url);
    if (pending !== undefined) return pending;
    const answer = this.#fetch(url).finally(() => this.#pending.delete(url));
    this.#pending.set(url, answer);
    return answer;
  }

  async #fetch(url: string): Promise<Fetched> {
    const sleep =
      this.#options.sleep ??
      ((milliseconds: number) => new Promise<void>((resolve) => setTimeout(resolve, milliseconds)));
    let backoff = 1000;
    let left = ATTEMPTS;
    for (let i = 1; ; i++) {
      const attempt = await this.#attempt(url);
      if ('answer' in attempt) return attempt.answer;
      const { why, wait = backoff } = attempt;
      if (wait > PATIENCE) {
        throw unavailable(url, `${why}, and it asks to wait ${Math.ceil(wait / 1000)} s`);
      }
      left -= attempt.answered ? 1 : 2;
      if (left <= 0) throw unavailable(url, `${why} (${i} ${i === 1 ? 'attempt' : 'attempts'})`);
      await sleep(wait);
      backoff *= 2;
    }
  }

  async #attempt(url: string): Promise<Attempt> {
    const { fetch = globalThis.fetch, timeout = 15_000, now } = this.#options;
    let response: Response;
    let body: Uint8Array<ArrayBuffer>;
    try {
      // Not `error`, which Cloudflare's runtime refuses.
      response = await fetch(url, { signal: AbortSignal.timeout(timeout), redirect: 'manual' });
      body = await readBody(response, url);
    } catch (error) {
      if (error instanceof AssayError) throw error;
      const cause = error instanceof Error ? (error.cause ?? error) : error;
      const reason = cause instanceof Error ? cause.message || cause.name : 'network error';
      return { wait: undefined, why: reason, answered: false };
    }
    const { status, headers } = response;
    if (status === 200) return { answer: { body, headers: Object.fromEntries(headers) } };
    if (status === 429 || status >= 500) {
      const wait = retryAfter(headers.get('retry-after'), now());
      const why = status === 429 ? 'the service limits its rate' : `status ${status}`;
      return { wait, why, answered: true };
    }
    // Of any other status, a proxy's refusal among them, nothing follows: neither that it would help to ask again.
    if (!ABSENT.includes(status)) {
      // Browsers do not show the status of a redirection.
      const isRedirect = response.type === 'opaqueredirect' || (status >= 300 && status < 400);
      throw unavailable(url, isRedirect ? 'it redirects, and is not followed' : `status ${status}`);
    }
    throw new AssayError(
      'ENDORSEMENTS_UNKNOWN',
      `${new URL(url).host} has no such endorsement (status ${status})`,
    );
  }
}
