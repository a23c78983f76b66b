import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { mlpModel } from '../../forge/inference-models.js';

/** Niceness of every thread of this process: field 19 of proc_pid_stat(5). */
function niceness(): readonly number[] {
  return readdirSync('/proc/self/task').map((thread) => {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]);
  });
}

const notLinux = process.platform === 'linux' ? false : 'only Linux has priorities by thread';

test('workers, and the threads of their sessions, give way to the event loop', {
  skip: notLinux,
}, async () => {
  const own = getPriority();
  const lower = Math.min(own + 5, 19);
  assert.ok(lower > own, 'this test needs a process that is not at the least priority');
  const before = niceness().filter((nice) => nice === lower).length;
  const engine = await createEngine({ workers: 2 });
  const workers = niceness().filter((nice) => nice === lower).length;
  assert.equal(workers - before, 2);
  await engine.load(
    { name: 'm', version: '1', model: mlpModel([2, 4, 3]), externalData: [] },
    { intraOpThreads: 2 },
  );
  assert.equal(niceness().filter((nice) => nice === lower).length - workers, 2, 'one a session');
  assert.equal(getPriority(), own, 'the event loop keeps its priority');
  await engine.close();
});
