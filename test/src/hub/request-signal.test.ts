import assert from 'node:assert/strict';
import { getEventListeners, once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, describe, test } from 'node:test';
import { discard, type HttpResponse, readBody, send } from '../../../src/hub/http.js';

const server = createServer(({ url, socket }, response) => {
  if (url === '/drop') socket.destroy();
  else response.end('x'.repeat(100));
}).listen(0, '127.0.0.1');
await once(server, 'listening');
after(() => {
  server.closeAllConnections();
  server.close();
});
const { port } = server.address() as AddressInfo;

describe('a request leaves the signal that it shares with others', () => {
  const ask = async (
    signal: AbortSignal,
    method: 'GET' | 'HEAD',
    path = '',
  ): Promise<HttpResponse> =>
    send(
      { method, url: new URL(`http://127.0.0.1:${port}/${path}`) },
      { plainHttp: false, idleTimeout: 60_000, signal },
    );
  const cases: readonly (readonly [string, 'GET' | 'HEAD', (got: HttpResponse) => unknown])[] = [
    ['its answer is read', 'GET', (got) => readBody(got, 100, 'a body')],
    ['its answer is discarded', 'GET', discard],
    ['its answer, which has no body, is discarded', 'HEAD', discard],
    ['its answer is destroyed', 'GET', ({ body }) => body.destroy()],
  ];
  for (const [name, method, end] of cases) {
    test(`once ${name}`, async () => {
      const { signal } = new AbortController();
      const got = await ask(signal, method);
      assert.equal(getEventListeners(signal, 'abort').length, 1);
      const closed = once(got.body, 'close');
      await end(got);
      await closed;
      assert.deepEqual(getEventListeners(signal, 'abort'), []);
    });
  }

  test('once it fails', async () => {
    const { signal } = new AbortController();
    await assert.rejects(ask(signal, 'GET', 'drop'), { code: 'HUB_UNREACHABLE' });
    assert.deepEqual(getEventListeners(signal, 'abort'), []);
  });
});
