import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** How the service answers one request, before it answers properly again. */
export type Trouble =
  | { readonly status: number; readonly retryAfter?: string; readonly location?: string }
  | { readonly body: Uint8Array | string }
  | 'hang up'
  | 'hang';

/** AMD's Key Distribution Service in a box: what it serves, and what goes wrong with it. */
export class Kds {
  /** Answers by path and query. */
  readonly served = new Map<string, Uint8Array | string>();
  /** Taken off the front, one a request. */
  readonly troubles: Trouble[] = [];
  /** Requests that came in. */
  readonly requests: string[] = [];
  readonly #server: Server;

  private constructor() {
    this.#server = createServer((request, response) => {
      const url = request.url ?? '';
      this.requests.push(url);
      const trouble = this.troubles.shift();
      if (trouble === undefined) this.#serve(url, response);
      else this.#fail(trouble, response);
    });
  }

  static async open(): Promise<Kds> {
    const kds = new Kds();
    await new Promise<void>((resolve) => kds.#server.listen(0, '127.0.0.1', resolve));
    return kds;
  }

  get base(): string {
    const { port } = this.#server.address() as AddressInfo;
    return `http://127.0.0.1:${port}`;
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  #serve(url: string, response: ServerResponse): void {
    const body = this.served.get(url);
    response.writeHead(body === undefined ? 404 : 200).end(body);
  }

  #fail(trouble: Trouble, response: ServerResponse): void {
    if (trouble === 'hang') return;
    if (trouble === 'hang up') response.destroy();
    else if ('body' in trouble) response.writeHead(200).end(trouble.body);
    else {
      const { status, retryAfter, location } = trouble;
      const headers = {
        ...(retryAfter !== undefined && { 'retry-after': retryAfter }),
        ...(location !== undefined && { location }),
      };
      response.writeHead(status, headers).end();
    }
  }
}
