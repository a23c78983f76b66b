import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, Server } from 'node:net';
import { test } from 'node:test';
import { listen } from '../../../src/server/listener.js';
import { startMetrics } from '../../../src/server/metrics.js';
import { ModelRegistry } from '../../../src/server/model-registry.js';

const address = { host: '127.0.0.1', port: 0 };

for (const [what, start] of [
  ['gRPC', () => listen(address, 4, { injectConnection: (socket) => socket.end() })],
  ['metrics', () => startMetrics({ ...address, models: new ModelRegistry() })],
] as const) {
  test(`connections that the system fails to accept leave the others their listener: ${what}`, async (t) => {
    const listening = t.mock.method(Server.prototype, 'listen');
    const started = await start();
    t.after(() => started.close());
    const server: unknown = listening.mock.calls[0]?.this;
    assert.ok(server instanceof Server);
    for (const code of ['EPROTO', 'ENOBUFS', 'EPERM']) {
      server.emit('error', Object.assign(new Error(`accept ${code}`), { code }));
    }
    const socket = connect(started.port, address.host);
    await once(socket, 'connect');
    socket.destroy();
  });
}
