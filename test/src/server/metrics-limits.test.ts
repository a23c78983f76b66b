import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { startMetrics } from '../../../src/server/metrics.js';
import { ModelRegistry } from '../../../src/server/model-registry.js';

const SCRAPE = 'GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n';
/** A connection that is not ended fails its test, where it would keep the file from ending. */
const LIMIT = { timeout: 20_000 };

/** Metrics of whose renderings each reads, and so counts, `assay_renderings` once. */
async function start(t: TestContext) {
  let renderings = 0;
  const read = () => ++renderings;
  const { port, close } = await startMetrics({
    host: '127.0.0.1',
    port: 0,
    models: new ModelRegistry(),
    own: [['gauge', 'assay_renderings', 'renderings', read]],
  });
  t.after(close);
  return { port, renderings: () => renderings };
}

function open(t: TestContext, port: number, sent: string): Socket {
  const socket = connect({ port, host: '127.0.0.1' });
  t.after(() => socket.destroy());
  // The server may end a connection before it has read all that was sent.
  socket.on('error', () => undefined);
  socket.write(sent);
  return socket;
}

/** What was received on a connection until its end. */
async function ended(socket: Socket): Promise<string> {
  const received: Buffer[] = [];
  socket.on('data', (data) => received.push(data));
  // Not `once`, which rejects where the end is a reset.
  await new Promise((resolve) => socket.once('close', resolve));
  return Buffer.concat(received).toString('latin1');
}

const statuses = (received: string) => received.match(/(?<=^HTTP\/1\.1 )\d+/gm) ?? [];

const scrape = async (t: TestContext, port: number) => ended(open(t, port, SCRAPE));

for (const [name, request, status] of [
  ['scrapes', SCRAPE, '200'],
  ['scrapes of HTTP/1.0', 'GET /metrics HTTP/1.0\r\nConnection: keep-alive\r\n\r\n', '200'],
  ['scrapes with parameters', 'GET /metrics?module=a HTTP/1.1\r\nHost: a\r\n\r\n', '200'],
  ['other paths', 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', '404'],
  ['expectations', 'GET /metrics HTTP/1.1\r\nHost: a\r\nExpect: much\r\n\r\n', '200'],
] as const) {
  test(`of pipelined ${name} the first is answered, and ends the connection`, LIMIT, async (t) => {
    const { port } = await start(t);
    assert.deepEqual(statuses(await ended(open(t, port, request.repeat(50)))), [status]);
  });
}

test('whoever asks within a second shares one rendering', LIMIT, async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { port, renderings } = await start(t);
  const answers = await Promise.all(Array.from({ length: 10 }, () => scrape(t, port)));
  answers.push(await scrape(t, port));
  for (const answer of answers) assert.match(answer, /^assay_renderings 1$/m);
  assert.equal(renderings(), 1);
  t.mock.timers.tick(1000);
  assert.match(await scrape(t, port), /^assay_renderings 2$/m);
});

for (const [name, sent] of [
  ['says nothing', ''],
  ['does not end its request', 'GET /metrics HTTP/1.1\r\nHost: a\r\n'],
] as const) {
  test(`a connection that ${name} is ended after ten seconds`, LIMIT, async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout'] });
    const { port } = await start(t);
    const silent = open(t, port, sent);
    await once(silent, 'connect');
    const end = ended(silent);
    // Connections are accepted in the order in which they were made.
    await scrape(t, port);
    t.mock.timers.tick(9_999);
    await scrape(t, port);
    assert.equal(silent.closed, false);
    t.mock.timers.tick(1);
    assert.equal(await end, '');
  });
}

test('connections beyond 32 are closed as they come', LIMIT, async (t) => {
  const { port } = await start(t);
  const silent = Array.from({ length: 32 }, () => open(t, port, ''));
  await Promise.all(silent.map((socket) => once(socket, 'connect')));
  assert.equal(await scrape(t, port), '');
  const [first] = silent;
  assert.equal(first?.closed, false);
});

for (const [name, sent, status] of [
  ['bytes that are not HTTP', '\x00\xff'.repeat(100), ['400']],
  ["HTTP/2's preface", 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', ['400']],
  ['a version that there is not', 'GET /metrics HTTP/9.9\r\n\r\n', ['400']],
  ['too large a header', `GET /metrics HTTP/1.1\r\na: ${'b'.repeat(9000)}\r\n\r\n`, ['431']],
  ['a method without a meaning here', 'CONNECT a:1 HTTP/1.1\r\nHost: a\r\n\r\n', []],
  [
    'a malformed body',
    'POST /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n',
    ['404'],
  ],
  [
    'an upgrade, which is not made,',
    'GET /metrics HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n',
    ['200'],
  ],
] as const) {
  test(`${name} ends its connection alone`, LIMIT, async (t) => {
    const { port } = await start(t);
    assert.deepEqual(statuses(await ended(open(t, port, sent))), status);
    assert.deepEqual(statuses(await scrape(t, port)), ['200']);
  });
}
