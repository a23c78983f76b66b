import assert from 'node:assert/strict';
import { test } from 'node:test';
import { connect, type SecureVersion } from 'node:tls';
import { makeTlsIdentity } from '../../../enclave/tls.js';
import { startServer } from '../../../src/server/server.js';

const tls = await makeTlsIdentity(['localhost'], new Date());
const server = await startServer({
  services: [],
  address: { host: '127.0.0.1', port: 0 },
  tls,
  maxReceiveBytes: 1024,
  connections: { max: 8, maxStreams: 8, idle: 60_000 },
});
test.after(() => server.drain(0));

/** The protocols that were agreed on, or the code of what was refused. */
const dialled = (version: SecureVersion, ciphers?: string): Promise<readonly unknown[]> =>
  new Promise((resolve) => {
    const socket = connect({
      port: server.port,
      host: '127.0.0.1',
      servername: 'localhost',
      ca: tls.certificatePem,
      ALPNProtocols: ['h2'],
      minVersion: version,
      maxVersion: version,
      ...(ciphers === undefined ? {} : { ciphers }),
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve([error.code]));
    socket.once('secureConnect', () => {
      resolve([socket.getProtocol(), socket.alpnProtocol]);
      socket.destroy();
    });
  });

test('the listener speaks TLS 1.3', async () => {
  assert.deepEqual(await dialled('TLSv1.3'), ['TLSv1.3', 'h2']);
});

for (const ciphers of [undefined, 'ECDHE-ECDSA-AES128-SHA']) {
  test(`a client limited to TLS 1.2 is refused: ${ciphers ?? "Node's suites"}`, async () => {
    assert.deepEqual(await dialled('TLSv1.2', ciphers), ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION']);
  });
}
