import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { type TestContext, test } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import type { Session } from '../../../src/client/session.js';
import { startProxy } from '../../../src/proxy/proxy.js';
import { listen } from '../../../src/server/listener.js';
import { startEcho } from '../../forge/echo-service.js';

/** What is waited for and never comes fails its test, where it would keep the file from ending. */
const LIMIT = { timeout: 20_000 };
/** Connections that a test resets. Node 20 loses the resets of those without TLS, Node 24 of those with it. */
const COUNT = 8;
const LOOPBACK = { host: '127.0.0.1', port: 0 };

/** The preface of HTTP/2, empty settings and pings of a wrong length, which must be answered by an error. */
const MALFORMED = Buffer.concat([
  Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'),
  Buffer.from('000000040000000000', 'hex'),
  ...Array.from({ length: 40 }, () => Buffer.from('000008060000000000', 'hex')),
]);

/** Connections that this process accepts during a test. */
function acceptedIn(t: TestContext): readonly Socket[] {
  const accepted: Socket[] = [];
  const note = (message: unknown): void => {
    accepted.push((message as { readonly socket: Socket }).socket);
  };
  subscribe('net.server.socket', note);
  t.after(() => unsubscribe('net.server.socket', note));
  t.after(() => {
    for (const socket of accepted) socket.destroy();
  });
  return accepted;
}

async function shakeHands(socket: Socket): Promise<void> {
  const secure = connectTls({ socket, ALPNProtocols: ['h2'], rejectUnauthorized: false });
  await once(secure, 'secureConnect');
  // The client's last message is sent after this event, and read by the server after this turn.
  await turn();
}

async function speak(socket: Socket): Promise<void> {
  await new Promise((written) => socket.write(MALFORMED, written));
}

/**
 * Opens connections and resets each as soon as all was said on it. Resolves when the server has read that, or
 * has ended the connection.
 */
async function reset(
  port: number,
  say: (socket: Socket) => Promise<void>,
  accepted: readonly Socket[],
): Promise<void> {
  for (let i = 0; i < COUNT; i++) {
    const socket = connect(port, LOOPBACK.host);
    await once(socket, 'connect');
    await say(socket);
    socket.resetAndDestroy();
    await once(socket, 'close');
    const heard = (peer = accepted[i]) =>
      peer !== undefined && (peer.destroyed || peer.bytesRead === socket.bytesWritten);
    while (!heard()) await turn();
  }
}

async function startEmptyProxy(t: TestContext): Promise<number> {
  const session = { models: () => [] } as unknown as Session;
  const proxy = await startProxy(session, {
    address: LOOPBACK,
    maxReceiveBytes: 1024,
    connect: () => new Promise(() => {}),
  });
  t.after(() => proxy.close());
  return proxy.port;
}

const SERVERS: readonly [
  name: string,
  start: (t: TestContext) => Promise<number>,
  say: (socket: Socket) => Promise<void>,
  seconds: number,
][] = [
  ['with TLS', async () => (await startEcho(3_600_000)).port, shakeHands, 20],
  ['without TLS', async () => (await startEcho(3_600_000)).plaintextPort ?? 0, speak, 90],
  ['of a proxy', startEmptyProxy, speak, 90],
];

for (const [name, start, say, seconds] of SERVERS) {
  test(
    `a connection ${name} that its peer resets is gone in ${seconds} seconds`,
    LIMIT,
    async (t) => {
      t.mock.timers.enable({ apis: ['setInterval'] });
      const accepted = acceptedIn(t);
      const port = await start(t);
      await reset(port, say, accepted);
      t.mock.timers.tick(seconds * 1000);
      assert.deepEqual(
        accepted.map(({ destroyed }) => destroyed),
        Array.from({ length: COUNT }, () => true),
      );
    },
  );
}

test('a drain ends though a lost connection was given up by its keepalive', LIMIT, async (t) => {
  const grace = 50;
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const accepted = acceptedIn(t);
  const server = await startEcho(3_600_000);
  await reset(server.port, shakeHands, accepted);
  t.mock.timers.tick(60_000);
  t.mock.timers.tick(20_000);
  const drained = server.drain(grace);
  t.mock.timers.tick(grace);
  await drained;
  assert.ok(accepted.every(({ closed }) => closed));
});

test('a silent connection is ended after 80 seconds, not before', LIMIT, async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  const accepted = acceptedIn(t);
  const { port, close } = await listen(LOOPBACK, 1, { injectConnection: () => undefined });
  t.after(close);
  const client = connect(port, LOOPBACK.host);
  t.after(() => client.destroy());
  while (accepted.length === 0) await turn();
  t.mock.timers.tick(80_000);
  assert.equal(accepted[0]?.destroyed, false);
  t.mock.timers.tick(10_000);
  assert.equal(accepted[0]?.destroyed, true);
});

for (const secure of [true, false]) {
  const how = secure ? 'with TLS' : 'without TLS';
  test(`a peer ${how} that only answers pings keeps its connection`, LIMIT, async (t) => {
    t.mock.timers.enable({ apis: ['setInterval', 'setTimeout'] });
    const accepted = acceptedIn(t);
    const server = await startEcho(3_600_000);
    const session = secure ? server.openSecure() : server.open();
    await once(session, 'connect');
    await new Promise((received) => session.ping(received));
    const [socket] = accepted;
    assert.ok(socket !== undefined);
    for (let minute = 0; minute < 5; minute++) {
      const { bytesRead } = socket;
      const asked = once(session, 'ping');
      t.mock.timers.tick(60_000);
      await asked;
      while (socket.bytesRead === bytesRead) await turn();
    }
    assert.equal(socket.destroyed, false);
  });
}
