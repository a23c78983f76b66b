/** An OCI registry in a box (OCI distribution-spec 1.1) that fails as it is told, for tests alone. */
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { AddressInfo } from 'node:net';

/** What goes wrong with a request. `undefined`: nothing. */
export type Fault =
  | { readonly kind: 'answer'; readonly status: number; readonly headers?: Record<string, string> }
  /** The connection ends before anything is answered. */
  | { readonly kind: 'drop' }
  /** Nothing more comes after so many bytes, and the connection stays. */
  | { readonly kind: 'stall'; readonly after: number }
  /** The connection of a download ends after so many bytes of its body. */
  | { readonly kind: 'cut'; readonly after: number; readonly ranges?: boolean }
  /** A download that states no length has so many bytes. */
  | { readonly kind: 'short'; readonly bytes: number }
  /** An upload's part arrives up to here, and its answer never leaves. */
  | { readonly kind: 'keep'; readonly bytes: number }
  /** An upload's part is answered as if it had arrived, and is lost. */
  | { readonly kind: 'lose' }
  /** The body has one bit flipped. */
  | { readonly kind: 'corrupt' }
  | { readonly kind: 'header'; readonly name: string; readonly value: string }
  /** Range is not understood: the whole blob is sent. */
  | { readonly kind: 'no-ranges' };

/** A request as a test sees it. */
export interface Seen {
  readonly method: string;
  readonly path: string;
  readonly authorization: string | undefined;
  readonly range: string | undefined;
  /** What the body has, bytes, as the request states it. */
  readonly length: number;
}

type FaultOf = (request: Seen, earlier: number) => Fault | undefined;

const sha256 = (bytes: Uint8Array): string =>
  `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

async function readAll(request: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = [];
  for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
  return Buffer.concat(parts);
}

export class ForgedRegistry {
  readonly blobs = new Map<string, Buffer>();
  readonly manifests = new Map<string, Buffer>();
  readonly tags = new Map<string, string>();
  readonly seen: Seen[] = [];
  /** Decides by the request, and by how many requests like it came before. */
  fault: FaultOf = () => undefined;
  readonly #sessions = new Map<string, Buffer>();
  readonly #server: Server;

  /** @param tls PEM of a key and its certificate: HTTPS. Absent: HTTP. */
  constructor(tls?: { readonly key: string; readonly cert: string }) {
    const listener = (request: IncomingMessage, response: ServerResponse): void => {
      this.#answer(request, response).catch(() => response.destroy());
    };
    this.#server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener);
  }

  /** `127.0.0.1:<port>`. */
  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this.host;
  }

  get host(): string {
    return `127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  /** Requests whose method and path match, in order. */
  requests(method: string, path: RegExp): readonly Seen[] {
    return this.seen.filter((seen) => seen.method === method && path.test(seen.path));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const url = new URL(request.url ?? '/', `http://${this.host}`);
    const seen: Seen = {
      method: request.method ?? '',
      path: url.pathname,
      authorization: request.headers.authorization,
      range: request.headers.range,
      length: Number(request.headers['content-length'] ?? 0),
    };
    const alike = this.seen.filter(
      ({ method, path }) => method === seen.method && path === seen.path,
    );
    this.seen.push(seen);
    const fault = this.fault(seen, alike.length);
    if (fault?.kind === 'drop') {
      request.socket.destroy();
      return;
    }
    if (fault?.kind === 'answer') {
      request.resume();
      response.writeHead(fault.status, fault.headers).end('{"errors":[{"code":"FORGED"}]}');
      return;
    }
    const [, repository = '', rest = ''] =
      /^\/v2\/(.+?)\/((?:manifests|blobs|tags)\/.*)$/.exec(url.pathname) ?? [];
    if (rest.startsWith('blobs/uploads/'))
      await this.#upload(request, response, url, repository, fault);
    else if (rest.startsWith('blobs/')) this.#blob(request, response, rest.slice(6), fault);
    else if (rest.startsWith('manifests/'))
      await this.#manifest(request, response, rest.slice(10), fault);
    else if (rest === 'tags/list') this.#page(response, url, 'tags', [...this.tags.keys()]);
    else if (url.pathname === '/v2/_catalog')
      this.#page(response, url, 'repositories', ['models/tiny']);
    else response.writeHead(404).end();
  }

  /** One name a page, so that clients must turn pages. */
  #page(response: ServerResponse, url: URL, member: string, names: readonly string[]): void {
    const sorted = [...names].sort();
    const at = sorted.findIndex((name) => name > (url.searchParams.get('last') ?? ''));
    const shown = at < 0 ? [] : sorted.slice(at, at + 1);
    const more = at >= 0 && at + 1 < sorted.length;
    const link = more ? { link: `<${url.pathname}?n=1&last=${shown[0]}>; rel="next"` } : {};
    response.writeHead(200, link).end(JSON.stringify({ [member]: shown }));
  }

  async #upload(
    request: IncomingMessage,
    response: ServerResponse,
    url: URL,
    repository: string,
    fault: Fault | undefined,
  ): Promise<void> {
    const id = url.pathname.slice(url.pathname.lastIndexOf('/') + 1);
    const session = (name: string): Record<string, string> => {
      const length = this.#sessions.get(name)?.length ?? 0;
      return {
        location: `/v2/${repository}/blobs/uploads/${name}?state=${length}`,
        range: `0-${Math.max(0, length - 1)}`,
      };
    };
    if (request.method === 'POST') {
      const name = randomUUID();
      this.#sessions.set(name, Buffer.alloc(0));
      response.writeHead(202, session(name)).end();
      return;
    }
    const before = this.#sessions.get(id);
    if (before === undefined) {
      request.resume();
      response.writeHead(404).end();
      return;
    }
    if (request.method === 'GET') {
      response.writeHead(204, session(id)).end();
      return;
    }
    const body = await readAll(request);
    const range = /^(\d+)-/.exec(request.headers['content-range'] ?? '');
    if (range !== null && Number(range[1]) !== before.length) {
      response.writeHead(416, session(id)).end();
      return;
    }
    if (fault?.kind === 'lose') {
      response.writeHead(201, session(id)).end();
      return;
    }
    const kept = fault?.kind === 'keep' ? body.subarray(0, fault.bytes) : body;
    const after = Buffer.concat([before, kept]);
    this.#sessions.set(id, after);
    if (fault?.kind === 'keep') {
      request.socket.destroy();
    } else if (request.method === 'PATCH') {
      response.writeHead(202, session(id)).end();
    } else if (sha256(after) !== url.searchParams.get('digest')) {
      response.writeHead(400).end('{"errors":[{"code":"DIGEST_INVALID"}]}');
    } else {
      this.#sessions.delete(id);
      this.blobs.set(sha256(after), after);
      response.writeHead(201, { location: `/v2/${repository}/blobs/${sha256(after)}` }).end();
    }
  }

  /** Forgets unfinished uploads, as a registry does after a while. */
  forgetUploads(): void {
    this.#sessions.clear();
  }

  /** Ends an upload by itself, as if the client's last request had arrived. */
  storeAndForget(digest: string, file: string): void {
    this.blobs.set(digest, readFileSync(file));
    this.#sessions.clear();
  }

  #blob(
    request: IncomingMessage,
    response: ServerResponse,
    digest: string,
    fault: Fault | undefined,
  ): void {
    const blob = this.blobs.get(digest);
    if (blob === undefined) {
      response.writeHead(404).end();
      return;
    }
    const whole = fault?.kind === 'no-ranges' || (fault?.kind === 'cut' && fault.ranges === false);
    const from = whole ? null : /^bytes=(\d+)-/.exec(request.headers.range ?? '');
    const start = from === null ? 0 : Number(from[1]);
    const body = Buffer.from(blob.subarray(start));
    if (fault?.kind === 'corrupt') body[0] = (body[0] ?? 0) ^ 1;
    const headers: Record<string, string | number> =
      fault?.kind === 'short' ? {} : { 'content-length': body.length };
    if (from !== null)
      headers['content-range'] = `bytes ${start}-${blob.length - 1}/${blob.length}`;
    if (fault?.kind === 'header') headers[fault.name] = fault.value;
    response.writeHead(from === null ? 200 : 206, headers);
    if (request.method === 'HEAD') response.end();
    else if (fault?.kind === 'stall') response.write(body.subarray(0, fault.after));
    else if (fault?.kind === 'short') response.end(body.subarray(0, fault.bytes));
    else if (fault?.kind === 'cut') {
      response.write(body.subarray(0, fault.after), () => request.socket.destroy());
    } else response.end(body);
  }

  async #manifest(
    request: IncomingMessage,
    response: ServerResponse,
    name: string,
    fault: Fault | undefined,
  ): Promise<void> {
    if (request.method === 'PUT') {
      const bytes = await readAll(request);
      const digest = sha256(bytes);
      this.manifests.set(digest, bytes);
      if (!name.startsWith('sha256:')) this.tags.set(name, digest);
      response.writeHead(201, { 'docker-content-digest': digest }).end();
      return;
    }
    const bytes = this.manifests.get(this.tags.get(name) ?? name);
    if (bytes === undefined) {
      response.writeHead(404).end('{"errors":[{"code":"MANIFEST_UNKNOWN"}]}');
      return;
    }
    const headers: Record<string, string> = { 'docker-content-digest': sha256(bytes) };
    if (fault?.kind === 'header') headers[fault.name] = fault.value;
    response.writeHead(200, headers).end(bytes);
  }
}
