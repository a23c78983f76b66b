import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import { endingSignal } from '../../../src/system/ending-signal.js';

test('signals within a second of the first are its wish, those that follow another', async () => {
  const source = new EventEmitter();
  const again: string[] = [];
  let time = 5_000;
  const ended = endingSignal((signal) => again.push(signal), { process: source, now: () => time });
  source.emit('SIGTERM');
  source.emit('SIGTERM');
  source.emit('SIGINT');
  time += 999;
  source.emit('SIGTERM');
  assert.deepEqual(again, []);
  time += 1;
  source.emit('SIGINT');
  source.emit('SIGTERM');
  assert.deepEqual(again, ['SIGINT', 'SIGTERM']);
  assert.equal(await ended, 'SIGTERM');
});

const MODULE = new URL('../../../src/system/ending-signal.js', import.meta.url).href;
/** As the first process of a container, and no core file of one that aborts. */
const CONTAINED = 'ulimit -c 0; exec unshare --user --map-root-user --pid --fork --kill-child "$@"';
const contained = (...command: readonly string[]) =>
  spawnSync('sh', ['-c', CONTAINED, 'sh', ...command], { timeout: 60_000 });
const skip = contained('true').status === 0 ? false : 'needs unshare(1) and user namespaces';

for (const [signal, status] of [
  ['SIGTERM', 143],
  ['SIGKILL', 137],
] as const) {
  test(`the first process of a container ends as by ${signal}, whatever its threads do`, {
    skip,
  }, () => {
    const hanging = "new (require('node:worker_threads').Worker)('for (;;);', { eval: true })";
    const script = `${hanging}.once('online', async () => (await import('${MODULE}')).endBy('${signal}'))`;
    const ended = contained(process.execPath, '-e', script);
    assert.equal(ended.error, undefined, 'it ends by itself');
    assert.equal(ended.status, 'execve' in process ? status : null);
  });
}
