import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Writable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import type { Hub } from '../../../src/hub/hub.js';
import type { Descriptor } from '../../../src/hub/manifest.js';
import { openHub } from '../../../src/hub/open-hub.js';
import { parseReference } from '../../../src/hub/reference.js';
import type { RegistryOptions } from '../../../src/hub/registry-client.js';
import { impatient } from './setting.js';

/** What a registry does for one path, the first time and each further one. */
type Answer = (response: ServerResponse, host: string, earlier: number) => void;

const MANIFEST = '/v2/models/tiny/manifests/v1';
const TAGS = '/v2/models/tiny/tags/list';
const CONTENT = Buffer.alloc(100, 'x');
const DIGEST = `sha256:${createHash('sha256').update(CONTENT).digest('hex')}` as const;
const BLOB: Descriptor = { mediaType: 'x', digest: DIGEST, size: CONTENT.length };
const BLOB_PATH = `/v2/models/tiny/blobs/${DIGEST}`;
const MINUTE = 60_000;

/** A registry that answers by path, a hub that stands on it, and the paths that were asked for. */
async function registry(
  t: TestContext,
  answers: { readonly [path: string]: Answer },
  more: RegistryOptions = {},
) {
  const asked: string[] = [];
  const server = createServer((request, response) => {
    const { pathname } = new URL(request.url ?? '', 'http://registry');
    const earlier = asked.filter((path) => path === pathname).length;
    asked.push(pathname);
    answers[pathname]?.(response, request.headers.host ?? '', earlier);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  const reference = parseReference(`oci://${host}/models/tiny`);
  if (reference.kind !== 'registry') return assert.fail();
  const options = { retry: impatient([], 2), answerTimeout: MINUTE, ...more };
  const hub = openHub(reference, options);
  return { hub, host, asked };
}

/** Sends a byte each ten seconds of a mocked clock, which stops after a minute; the bytes go on. */
function drip(t: TestContext, stream: Writable, left = 6): void {
  if (stream.destroyed) return;
  if (left > 0) t.mock.timers.tick(MINUTE / 6);
  stream.write(' ', () => setImmediate(drip, t, stream, left - 1));
}

const toToken: Answer = (response, host) =>
  response.writeHead(401, { 'www-authenticate': `Bearer realm="http://${host}/token"` }).end();
const toStorage: Answer = (response) => response.writeHead(307, { location: '/storage' }).end();

const slow: readonly {
  readonly name: string;
  readonly ask: (hub: Hub) => Promise<unknown>;
  readonly before?: { readonly [path: string]: Answer };
  /** The path whose answer drips, its head too where `head` says so. */
  readonly path: string;
  readonly head?: true;
}[] = [
  { name: 'a manifest', ask: (hub) => hub.readManifest('v1'), path: MANIFEST },
  {
    name: 'the head of an answer',
    ask: (hub) => hub.readManifest('v1'),
    path: MANIFEST,
    head: true,
  },
  { name: 'a list of tags', ask: (hub) => hub.tags(), path: TAGS },
  {
    name: 'a token',
    ask: (hub) => hub.readManifest('v1'),
    before: { [MANIFEST]: toToken },
    path: '/token',
  },
  {
    name: 'what a redirect leads to',
    ask: (hub) => hub.readManifest('v1'),
    before: { [MANIFEST]: toStorage },
    path: '/storage',
  },
  {
    name: 'the head of what a blob’s redirect leads to',
    ask: (hub) => hub.hasBlob(BLOB),
    before: { [BLOB_PATH]: toStorage },
    path: '/storage',
    head: true,
  },
];
for (const { name, ask, before, path, head } of slow) {
  test(`a registry that drips ${name} is asked again, then given up`, {
    timeout: 20_000,
  }, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { hub, host, asked } = await registry(t, {
      ...before,
      [path]: (response) => {
        const { socket } = response;
        if (head !== true) drip(t, response.writeHead(200));
        else if (socket !== null) {
          socket.write('HTTP/1.1 200 OK\r\nx-slow: ');
          drip(t, socket);
        }
      },
    });
    await assert.rejects(ask(hub), (error: Error & { code?: string }) => {
      assert.equal(error.code, 'HUB_UNREACHABLE');
      const waited = `${host}${path}: no whole answer within 60000 ms`;
      assert.equal(error.message.replace(/^[A-Z]+ /, ''), waited);
      return true;
    });
    assert.equal(asked.filter((one) => one === path).length, 2);
  });
}

test('a blob that takes its time is waited for', { timeout: 20_000 }, async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const begun: ServerResponse[] = [];
  const { hub } = await registry(t, {
    [BLOB_PATH]: (response) => {
      begun.push(response);
      response.write(CONTENT.subarray(0, 1));
    },
  });
  const { body } = await hub.openBlob(BLOB, 0);
  t.mock.timers.tick(2 * MINUTE);
  begun[0]?.end(CONTENT.subarray(1));
  const parts: Uint8Array[] = [];
  for await (const part of body) parts.push(part);
  assert.deepEqual(Buffer.concat(parts), CONTENT);
});

/** The first answer breaks off behind its first byte. */
const cutOnce =
  (text: string): Answer =>
  (response, _host, earlier) => {
    response.writeHead(200, { 'content-length': text.length });
    if (earlier > 0) response.end(text);
    else response.write(text.slice(0, 1), () => response.destroy());
  };

const cut: readonly {
  readonly name: string;
  readonly answers: { readonly [path: string]: Answer };
  readonly ask: (hub: Hub) => Promise<unknown>;
  readonly expected: unknown;
}[] = [
  {
    name: 'a manifest',
    answers: { [MANIFEST]: cutOnce('{}') },
    ask: async (hub) => Buffer.from(await hub.readManifest('v1')).toString(),
    expected: '{}',
  },
  {
    name: 'a list of tags',
    answers: { [TAGS]: cutOnce('{"tags":["v1"]}') },
    ask: (hub) => hub.tags(),
    expected: ['v1'],
  },
  {
    name: 'a token',
    answers: {
      [TAGS]: (response, host, earlier) =>
        earlier < 2 ? toToken(response, host, earlier) : response.end('{"tags":[]}'),
      '/token': cutOnce('{"token":"t"}'),
    },
    ask: (hub) => hub.tags(),
    expected: [],
  },
];
for (const { name, answers, ask, expected } of cut) {
  test(`${name} that breaks off is asked for again`, async (t) => {
    const { hub } = await registry(t, answers);
    assert.deepEqual(await ask(hub), expected);
  });
}

test('a registry that falls silent is given up, and the error says for how long', async (t) => {
  const silent = { [MANIFEST]: (response: ServerResponse) => response.write(' ') };
  const { hub, host } = await registry(t, silent, { idleTimeout: 50 });
  await assert.rejects(hub.readManifest('v1'), {
    code: 'HUB_UNREACHABLE',
    message: `GET ${host}${MANIFEST}: nothing came for 50 ms`,
  });
});
