import * as z from 'zod';
import { fromUtf8, toBase64, utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseStrictJson } from '../../attestation/encoding/json.js';
import { type Challenge, parseChallenges } from './challenge.js';
import type { Credentials } from './credentials.js';
import { type HttpRequest, isLoopback, readBody, type SendOptions, send } from './http.js';
import { TemporaryError } from './retry.js';

const MAX_TOKEN = 256 * 1024;
const answer = z.looseObject({ token: z.string().optional(), access_token: z.string().optional() });

const basic = ({ username, password }: { username: string; password: string }): string =>
  `Basic ${toBase64(utf8(`${username}:${password}`))}`;

function tokenRequest(
  realm: URL,
  service: string | undefined,
  scopes: readonly string[],
  credentials: Credentials | undefined,
): HttpRequest {
  if (credentials?.kind === 'identity-token') {
    const form = new URLSearchParams({
      grant_type: 'refresh_token',
      client_id: 'assay',
      refresh_token: credentials.token,
      scope: scopes.join(' '),
      ...(service === undefined ? {} : { service }),
    });
    const headers = { 'content-type': 'application/x-www-form-urlencoded' };
    return { method: 'POST', url: realm, headers, body: utf8(form.toString()) };
  }
  const url = new URL(realm);
  if (service !== undefined) url.searchParams.set('service', service);
  for (const scope of scopes) url.searchParams.append('scope', scope);
  const headers = credentials === undefined ? {} : { authorization: basic(credentials) };
  return { method: 'GET', url, headers };
}

/** Throws HUB_TRANSPORT where credentials, or a token that was had for them, could be read on the way. */
function expectPrivate({ protocol, hostname, host }: URL): void {
  if (protocol === 'https:' || isLoopback(hostname)) return;
  throw new AssayError(
    'HUB_TRANSPORT',
    `expected TLS before credentials are sent to ${host} (plain HTTP carries them to this machine alone)`,
  );
}

/**
 * Answers a registry's challenges: Basic, and the Bearer tokens of distribution's "Token
 * Authentication Specification", also by an OAuth 2.0 refresh token.
 */
export class Authorization {
  readonly #registry: URL;
  readonly #scope: string;
  readonly #credentials: () => Promise<Credentials | undefined>;
  #header: string | undefined;

  /** @param credentials those for the registry; undefined is anonymous. */
  constructor(registry: URL, scope: string, credentials: () => Promise<Credentials | undefined>) {
    this.#registry = registry;
    this.#scope = scope;
    this.#credentials = credentials;
  }

  /** Headers for a request; nothing for another origin than the registry's. */
  headersFor(url: URL): { readonly authorization?: string } {
    return this.#header === undefined || url.origin !== this.#registry.origin
      ? {}
      : { authorization: this.#header };
  }

  #refuse(reason: string): never {
    throw new AssayError('HUB_UNAUTHORIZED', `${this.#registry.host}: ${reason}`);
  }

  /**
   * Takes what a 401 asks for.
   * @throws AssayError HUB_UNAUTHORIZED where that cannot be given; HUB_TRANSPORT where credentials would
   *   go to another machine without TLS.
   */
  async answer(header: string | undefined, http: SendOptions): Promise<void> {
    const challenges = parseChallenges(header ?? '');
    const find = (scheme: string): Challenge | undefined =>
      challenges.find((challenge) => challenge.scheme === scheme);
    const bearer = find('bearer');
    const credentials = await this.#credentials();
    if (credentials !== undefined) expectPrivate(this.#registry);
    if (bearer !== undefined)
      this.#header = `Bearer ${await this.#token(bearer, credentials, http)}`;
    else if (find('basic') === undefined) this.#refuse('it asks for no known authentication');
    else if (credentials?.kind !== 'password') {
      this.#refuse('it asks for a name and a password, and the configuration of Docker has none');
    } else this.#header = basic(credentials);
  }

  #realm(text: string | undefined): URL {
    const realm = URL.canParse(text ?? '')
      ? new URL(text ?? '')
      : this.#refuse('it names no realm');
    if (this.#registry.protocol === 'https:' && realm.protocol !== 'https:') {
      this.#refuse('expected a realm under HTTPS');
    }
    return realm;
  }

  async #token(
    { parameters }: Challenge,
    credentials: Credentials | undefined,
    http: SendOptions,
  ): Promise<string> {
    const scopes = new Set([this.#scope, ...(parameters.get('scope') ?? '').split(' ')]);
    scopes.delete('');
    const realm = this.#realm(parameters.get('realm'));
    if (credentials !== undefined) expectPrivate(realm);
    const request = tokenRequest(realm, parameters.get('service'), [...scopes], credentials);
    const response = await send(request, http);
    const body = await readBody(response, MAX_TOKEN, 'a token');
    if (response.status === 429 || response.status >= 500) {
      const said = `${realm.host} answers with status ${response.status}`;
      throw new TemporaryError('HUB_SERVICE', said, undefined, response.headers['retry-after']);
    }
    if (response.status !== 200) this.#refuse(`its realm answers with status ${response.status}`);
    const parsed = answer.safeParse(parseStrictJson(fromUtf8(body), 'a token', 'HUB_PROTOCOL'));
    const token = parsed.data?.token || parsed.data?.access_token;
    if (!token || !/^[\x21-\x7e]+$/.test(token)) this.#refuse('its realm answers without a token');
    return token;
  }
}
