import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { connect, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { connect as connectTls } from 'node:tls';
import { adviceOnNode } from '../../enclave/platform/node-version.js';
import { spawnAssay } from '../forge/cli.js';
import { scaleModel } from '../forge/enclave.js';
import { type HostileConnection, hostileConnection } from '../forge/frames.js';
import { freePort } from '../forge/free-port.js';
import { randomFrom } from '../forge/random.js';
import { framed, replyTo, send } from '../forge/raw-grpc.js';
import { simulatorKeys } from '../vectors.js';

/** Connections on each listener. */
const CONNECTIONS = 120;
const SEED = 20261122;

/** Sends what a connection says, and ends it as it says. */
async function attack(socket: Socket, ready: string, hostile: HostileConnection): Promise<void> {
  const { bytes, piece, ending } = hostile;
  const closed = new Promise((resolve) => socket.once('close', resolve));
  const destroy = (): void => void socket.destroy();
  socket.on('error', destroy);
  // The server says its settings first.
  if (ending === 'closed') socket.once('data', destroy);
  else socket.resume();
  socket.once(ready, () => {
    for (let at = 0; at < bytes.length; at += piece) socket.write(bytes.subarray(at, at + piece));
    if (ending === 'dropped') socket.write('', destroy);
    if (ending === 'half-closed') socket.end(() => setImmediate(destroy));
  });
  await closed;
}

test('no frames of callers end a service', {
  skip: adviceOnNode(process.versions) ?? false,
  timeout: 240_000,
}, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'assay-frames-'));
  const plaintext = await freePort();
  const config = {
    listen: { host: '127.0.0.1', port: 0 },
    plaintext: { host: '127.0.0.1', port: plaintext },
    platform: { kind: 'simulator', rootDirectory: simulatorKeys },
    models: [{ name: 'scale', path: 'scale.onnx', batching: { maxBatchSize: 1 } }],
    workers: 1,
  };
  await writeFile(join(folder, 'scale.onnx'), scaleModel(2));
  await writeFile(join(folder, 'assay.json'), JSON.stringify(config));
  const server = spawnAssay(['serve', join(folder, 'assay.json')]);
  after(async () => {
    server.kill('SIGKILL');
    await server.ended;
    await rm(folder, { recursive: true });
  });
  const port = Number(await server.logged('port'));
  const random = randomFrom(SEED);
  const tls = { host: '127.0.0.1', port, ALPNProtocols: ['h2'], rejectUnauthorized: false };
  for (let i = 0; i < CONNECTIONS; i++) {
    await attack(connectTls(tls), 'secureConnect', hostileConnection(random));
    await attack(connect(plaintext, '127.0.0.1'), 'connect', hostileConnection(random));
  }
  const session = connectHttp2(`http://127.0.0.1:${plaintext}`);
  await once(session, 'connect');
  const stream = send(session, '/inference.GRPCInferenceService/ServerLive', [framed('')], {});
  const { status } = await replyTo(stream.end());
  session.destroy();
  assert.equal(status, 0);
});
