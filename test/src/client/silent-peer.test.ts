import assert from 'node:assert/strict';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, describe, test } from 'node:test';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import { attest } from '../../../src/client/attest.js';
import { BoundedConnections } from '../../../src/client/bounded-connections.js';
import { connect } from '../../../src/client/connect.js';
import { inputs, trustedAdder } from '../../forge/adder-session.js';
import { startDeafListener, withoutDeaf } from '../../forge/deaf-listener.js';
import { startSwitch } from '../../forge/relay.js';

const LIMIT = { timeout: 15_000 };
const FAST = { timeout: 100 };

/** Takes every connection and then is silent: no TLS handshake with it ever ends. */
const silent = createServer({ allowHalfOpen: true });
await once(silent.listen(0, '127.0.0.1'), 'listening');
const { port } = silent.address() as AddressInfo;
const taken = new Set<Socket>();
silent.on('connection', (socket: Socket) => taken.add(socket.resume()));
after(() => {
  silent.close();
  for (const socket of taken) socket.destroy();
});

async function nextConnection(): Promise<Socket> {
  const [socket] = (await once(silent, 'connection')) as [Socket];
  return socket;
}

/** The next socket that this process connects with. */
function nextDialled(): Promise<Socket> {
  return new Promise((resolve) => {
    const take = (message: unknown): void => {
      unsubscribe('net.client.socket', take);
      resolve((message as { readonly socket: Socket }).socket);
    };
    subscribe('net.client.socket', take);
  });
}

test('a closed session drops the handshake that it is in', LIMIT, async (t) => {
  const { server, policy, options } = await trustedAdder();
  // The certificate and the evidence; the third connection is for inferences.
  const relay = await startSwitch(server.port, port, 2);
  t.after(() => relay.close());
  const session = await connect(relay.target, policy, options);
  const connection = nextConnection();
  // No time passes: what is left to end a handshake is the end of the session.
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const enough = new AbortController();
  const answer = session.infer('adder', inputs, { signal: enough.signal });
  const ended = once(await connection, 'end');
  enough.abort(new Error('enough'));
  await assert.rejects(answer, { message: 'enough' });
  session.close();
  await ended;
});

test('who has given up before waits for no handshake', LIMIT, async (t) => {
  // No time passes: what is left to end the wait is the signal.
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const signal = AbortSignal.abort(new Error('enough'));
  const work = attest(`127.0.0.1:${port}`, parsePolicy({ version: 1 }), { signal });
  await assert.rejects(work, { message: 'enough' });
});

test('a port without TLS is told as such', LIMIT, async (t) => {
  const plain = createServer((socket) => socket.on('error', () => {}).end('HTTP/1.1 400 \r\n\r\n'));
  await once(plain.listen(0, '127.0.0.1'), 'listening');
  t.after(() => plain.close());
  const target = `127.0.0.1:${(plain.address() as AddressInfo).port}`;
  const { policy } = await trustedAdder();
  await assert.rejects(attest(target, policy), {
    code: 'CLIENT_UNREACHABLE',
    message: `${target}: the server does not speak TLS`,
  });
});

/** A call through these credentials of a server that never answers it; what it fails with. */
function callOver(bounded: BoundedConnections, to: number) {
  const name = { 'grpc.ssl_target_name_override': 'enclave.invalid' };
  const client = new Client(`127.0.0.1:${to}`, bounded, name);
  const same = (bytes: Buffer): Buffer => bytes;
  const failed = new Promise<ServiceError | null>((resolve) => {
    client.makeUnaryRequest('/a/b', same, same, Buffer.alloc(0), resolve);
  });
  return { client, failed };
}

test('a handshake that takes too long fails the calls that wait for it', LIMIT, async () => {
  const ended = nextConnection().then((socket) => once(socket, 'end'));
  const { client, failed } = callOver(new BoundedConnections(credentials.createSsl(), 100), port);
  const error = await failed;
  await ended;
  client.close();
  assert.equal(error?.code, status.UNAVAILABLE);
  assert.match(error.details, /no TLS handshake within 100 ms/);
});

describe('a peer that answers no SYN', { skip: withoutDeaf }, () => {
  test('fails the calls that wait for a connection, in time', LIMIT, async (t) => {
    const deaf = await startDeafListener(port);
    t.after(() => deaf.close());
    await deaf.deafen();
    const bounded = new BoundedConnections(credentials.createSsl(), 100);
    const { client, failed } = callOver(bounded, deaf.port);
    const error = await failed;
    client.close();
    bounded.close();
    assert.equal(error?.code, status.UNAVAILABLE);
    assert.match(error.details, /no TCP connection within 100 ms/);
  });

  test('keeps no closed client waiting', LIMIT, async (t) => {
    const deaf = await startDeafListener(port);
    t.after(() => deaf.close());
    await deaf.deafen();
    const dialled = nextDialled();
    const bounded = new BoundedConnections(credentials.createSsl());
    const { client } = callOver(bounded, deaf.port);
    const socket = await dialled;
    const closed = new Promise((resolve) => socket.once('close', resolve));
    client.close();
    bounded.close();
    await closed;
  });

  test('is not attested for longer than the timeout', LIMIT, async (t) => {
    const deaf = await startDeafListener(port);
    t.after(() => deaf.close());
    await deaf.deafen();
    await assert.rejects(attest(`127.0.0.1:${deaf.port}`, parsePolicy({ version: 1 }), FAST), {
      code: 'CLIENT_UNREACHABLE',
      message: /: no TCP connection within 100 ms$/,
    });
  });

  test('after it was attested is not called for longer than the timeout', LIMIT, async (t) => {
    const { server, policy, options } = await trustedAdder();
    const deaf = await startDeafListener(server.port);
    t.after(() => deaf.close());
    const session = await connect(`127.0.0.1:${deaf.port}`, policy, options);
    t.after(() => session.close());
    await deaf.deafen();
    await assert.rejects(session.infer('adder', inputs, FAST), {
      code: 'CLIENT_UNREACHABLE',
      message: /: no connection took the call within 100 ms$/,
    });
  });
});
