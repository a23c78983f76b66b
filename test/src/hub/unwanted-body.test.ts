import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { openHub } from '../../../src/hub/open-hub.js';
import { parseReference } from '../../../src/hub/reference.js';
import { spawnAssay } from '../../forge/cli.js';
import { writeFiles } from '../../forge/model-package.js';
import { impatient, temporaryFolder } from './setting.js';

/** A registry whose 401 has the body that `send` writes; who has a password gets an empty list. */
async function challenging(t: TestContext, send: (response: ServerResponse) => void) {
  const refusals: ServerResponse[] = [];
  const server = createServer(({ headers }, response) => {
    if (headers.authorization !== undefined) {
      response.end('{"tags":[]}');
      return;
    }
    refusals.push(response);
    response.writeHead(401, { 'www-authenticate': 'Basic realm="x"' });
    send(response);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { host: `127.0.0.1:${(server.address() as AddressInfo).port}`, refusals };
}

test('a body that nobody wants and that has no end loses its connection', {
  timeout: 20_000,
}, async (t) => {
  const flood = (response: ServerResponse): void => {
    if (!response.destroyed) response.write('x'.repeat(1024), () => flood(response));
  };
  const { host, refusals } = await challenging(t, flood);
  const reference = parseReference(`oci://${host}/models/tiny`);
  if (reference.kind !== 'registry') return assert.fail();
  const credentials = async () =>
    ({ kind: 'password', username: 'ann', password: 'secret' }) as const;
  const hub = openHub(reference, { retry: impatient(), credentials });
  assert.deepEqual(await hub.tags(), []);
  const [refusal] = refusals;
  assert.ok(refusal !== undefined);
  if (!refusal.closed) await once(refusal, 'close');
});

test('a body that nobody wants and that never comes keeps no command alive', {
  timeout: 20_000,
}, async (t) => {
  const { host } = await challenging(t, (response) => response.write('x'));
  const home = temporaryFolder(t);
  const auth = Buffer.from('ann:secret').toString('base64');
  writeFiles(home, { 'config.json': JSON.stringify({ auths: { [host]: { auth } } }) });
  const list = ['hub', 'list', `oci://${host}/models/tiny`];
  const command = spawnAssay(list, { HOME: home, DOCKER_CONFIG: home });
  t.after(() => command.kill('SIGKILL'));
  assert.equal(await command.ended, 0, command.written.err);
});
