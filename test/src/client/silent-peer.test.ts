import assert from 'node:assert/strict';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { Client, credentials, type ServiceError, status } from '@grpc/grpc-js';
import { BoundedHandshakes } from '../../../src/client/bounded-handshakes.js';
import { connect } from '../../../src/client/connect.js';
import { inputs, trustedAdder } from '../../forge/adder-session.js';
import { startSwitch } from '../../forge/relay.js';

const LIMIT = { timeout: 15_000 };

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

test('a handshake that takes too long fails the calls that wait for it', LIMIT, async () => {
  const bounded = new BoundedHandshakes(credentials.createSsl(), 100);
  const name = { 'grpc.ssl_target_name_override': 'enclave.invalid' };
  const client = new Client(`127.0.0.1:${port}`, bounded, name);
  const ended = nextConnection().then((socket) => once(socket, 'end'));
  const same = (bytes: Buffer): Buffer => bytes;
  const error = await new Promise<ServiceError | null>((resolve) => {
    client.makeUnaryRequest('/a/b', same, same, Buffer.alloc(0), resolve);
  });
  await ended;
  client.close();
  assert.equal(error?.code, status.UNAVAILABLE);
  assert.match(error.details, /no TLS handshake within 100 ms/);
});
