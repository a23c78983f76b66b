import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

const isolated = new URL('../../../src/system/isolated-process.js', import.meta.url);
const hanging = new URL('../../forge/hanging-process.js', import.meta.url);
const PARENT = `
import { IsolatedProcess } from ${JSON.stringify(isolated)};
await new IsolatedProcess(new URL(${JSON.stringify(hanging)})).ask(null);
`;

test('a process that hangs ends with its parent, however that ends', {
  timeout: 60_000,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'assay-'));
  t.after(() => rm(folder, { recursive: true }));
  const path = join(folder, 'hanging');
  const server = createServer().listen(path);
  t.after(() => server.close());
  const parent = spawn(process.execPath, ['--input-type=module', '-e', PARENT], {
    stdio: 'inherit',
    env: { ...process.env, HANGING_SOCKET: path },
  });
  const [connection] = (await once(server, 'connection')) as [Socket];
  const [id] = (await once(connection, 'data')) as [Buffer];
  const ended = once(connection, 'close');
  t.after(() => {
    if (!connection.closed) process.kill(Number(id), 'SIGKILL');
  });
  parent.kill('SIGKILL');
  await ended;
  assert.ok(connection.closed);
});
