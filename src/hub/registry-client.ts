import { fromUtf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { Authorization } from './authorization.js';
import type { CredentialSource, Credentials } from './credentials.js';
import {
  discard,
  type HttpOptions,
  type HttpRequest,
  type HttpResponse,
  isLoopback,
  readBody,
  type SendOptions,
  send,
  sendFollowing,
} from './http.js';
import { Backoff, DEFAULT_RETRY, type RetryPolicy, TemporaryError } from './retry.js';
import type { UploadNotes } from './upload-notes.js';

/** How to reach registries. */
export interface RegistryOptions {
  /** Credentials by host; absent: anonymous. */
  readonly credentials?: CredentialSource;
  /** True: HTTP to any host. False: HTTPS even to this machine. Absent: HTTP to this machine only. */
  readonly plainHttp?: boolean;
  readonly retry?: RetryPolicy;
  /** Milliseconds without a byte; default one minute. */
  readonly idleTimeout?: number;
  /**
   * Milliseconds for an answer, with the token and the redirects that it takes: all of a manifest or a list,
   * the head of a blob. Default one minute.
   */
  readonly answerTimeout?: number;
  /** Bytes of one PATCH; default 16 MiB. */
  readonly chunkSize?: number;
  /** Where unfinished uploads are noted, so that another process can go on with them. */
  readonly uploads?: UploadNotes;
}

/** A small document, and the head of the answer that brought it. */
interface Received {
  readonly response: HttpResponse;
  readonly bytes: Uint8Array;
}

interface Expectation {
  /** Statuses that are answers; everything else is an error. */
  readonly expect: readonly number[];
  /** False for what must not be sent twice: the caller finds out what arrived. Default true. */
  readonly repeatable?: boolean;
}

const MAX_ERROR = 16 * 1024;
/** What a byte of a request adds to the time for its answer, milliseconds: no line is slower. */
const SLOWEST_UPLOAD = 1;
/** What a timer can wait at most, milliseconds. */
const LONGEST = 2 ** 31 - 1;
/** Docker Hub's API is not where its name points. */
const ALIASES: { readonly [host: string]: string } = { 'docker.io': 'registry-1.docker.io' };

function isTemporary(status: number): boolean {
  return status === 408 || status === 429 || (status >= 500 && status !== 501);
}

/** The registry's own codes (distribution-spec 1.1, "Error codes"); its messages are not repeated. */
async function errorCodes(response: HttpResponse): Promise<string> {
  try {
    const body: unknown = JSON.parse(fromUtf8(await readBody(response, MAX_ERROR, 'an error')));
    const { errors } = body as { errors?: readonly { code?: unknown }[] };
    const codes = (errors ?? []).map(({ code }) => String(code));
    return codes
      .filter((code) => /^[A-Z_]{1,40}$/.test(code))
      .slice(0, 4)
      .join(', ');
  } catch {
    response.body.destroy();
    return '';
  }
}

async function errorOf({ method, url }: HttpRequest, response: HttpResponse): Promise<AssayError> {
  const { status } = response;
  const codes = method === 'HEAD' ? '' : await errorCodes(response);
  const said = `${method} ${url.host}${url.pathname}: status ${status}${codes === '' ? '' : ` (${codes})`}`;
  if (status === 401 || status === 403) return new AssayError('HUB_UNAUTHORIZED', said);
  if (status === 404) return new AssayError('HUB_NOT_FOUND', said);
  if (isTemporary(status)) {
    return new TemporaryError('HUB_SERVICE', said, undefined, response.headers['retry-after']);
  }
  return new AssayError(codes.includes('DIGEST_INVALID') ? 'HUB_DIGEST' : 'HUB_PROTOCOL', said);
}

/** Requests to one registry under one scope: authentication, redirects and repetition. */
export class RegistryClient {
  readonly base: URL;
  readonly chunkSize: number;
  readonly uploads: UploadNotes | undefined;
  readonly #http: HttpOptions;
  readonly #answerTimeout: number;
  readonly #retry: RetryPolicy;
  readonly #authorization: Authorization;

  /** @param scope as in the Token Authentication Specification: `repository:<name>:pull`, … */
  constructor(host: string, scope: string, options: RegistryOptions) {
    const name = ALIASES[host] ?? host;
    const loopback = isLoopback(new URL(`http://${name}`).hostname);
    const plain = options.plainHttp ?? loopback;
    this.base = new URL(`${plain ? 'http' : 'https'}://${name}/v2/`);
    this.chunkSize = options.chunkSize ?? 16 * 1024 * 1024;
    this.uploads = options.uploads;
    this.#http = {
      plainHttp: options.plainHttp ?? false,
      idleTimeout: options.idleTimeout ?? 60_000,
    };
    this.#answerTimeout = options.answerTimeout ?? 60_000;
    this.#retry = options.retry ?? DEFAULT_RETRY;
    // A URL drops the port that its scheme implies; a configuration may name it.
    const names = new Set([name, this.base.host]);
    const credentials = async (): Promise<Credentials | undefined> => {
      for (const known of names) {
        const found = await options.credentials?.(known);
        if (found !== undefined) return found;
      }
      return undefined;
    };
    this.#authorization = new Authorization(this.base, scope, credentials);
  }

  /** Pauses for a transfer of several requests. */
  backoff(): Backoff {
    return new Backoff(this.#retry);
  }

  /**
   * Sends, authenticates when asked to, and repeats while failures may pass. Returns with the head of the
   * answer; how long its body takes is for whoever takes it.
   */
  request(request: HttpRequest, expectation: Expectation): Promise<HttpResponse> {
    return this.#repeated(request, expectation, async (response) => response);
  }

  /** GETs a document of at most `limit` bytes; one that breaks off or takes too long is asked for again. */
  read(request: Omit<HttpRequest, 'method'>, limit: number, what: string): Promise<Received> {
    return this.#repeated({ ...request, method: 'GET' }, { expect: [200] }, async (response) => ({
      response,
      bytes: await readBody(response, limit, what),
    }));
  }

  async #repeated<T>(
    request: HttpRequest,
    { expect, repeatable = true }: Expectation,
    take: (response: HttpResponse) => Promise<T>,
  ): Promise<T> {
    const backoff = this.backoff();
    for (;;) {
      try {
        return await this.#bounded(request, async (http) => {
          const response = await this.#authorized(request, http);
          if (expect.includes(response.status)) return take(response);
          throw await errorOf(request, response);
        });
      } catch (error) {
        if (!repeatable) throw error;
        await backoff.pause(error);
      }
    }
  }

  /** One attempt: a registry that sends a byte now and then is not waited for while it does. */
  async #bounded<T>({ body }: HttpRequest, attempt: (http: SendOptions) => Promise<T>): Promise<T> {
    const wanted = this.#answerTimeout + (body?.length ?? 0) * SLOWEST_UPLOAD;
    const bound = Math.min(wanted, LONGEST);
    const late = new AbortController();
    const timer = setTimeout(() => late.abort(`no whole answer within ${bound} ms`), bound);
    try {
      return await attempt({ ...this.#http, signal: late.signal });
    } finally {
      clearTimeout(timer);
    }
  }

  async #authorized(request: HttpRequest, http: SendOptions): Promise<HttpResponse> {
    const follows = request.method === 'GET' || request.method === 'HEAD';
    const attempt = (): Promise<HttpResponse> => {
      const headers = { ...request.headers, ...this.#authorization.headersFor(request.url) };
      return (follows ? sendFollowing : send)({ ...request, headers }, http);
    };
    const response = await attempt();
    if (response.status !== 401 || response.url.origin !== this.base.origin) return response;
    discard(response);
    await this.#authorization.answer(response.headers['www-authenticate'], http);
    return attempt();
  }
}
