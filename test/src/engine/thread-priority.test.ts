import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { test } from 'node:test';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { mlpModel } from '../../forge/inference-models.js';

/** Threads of this process, but for the event loop's, at a niceness: field 19 of proc_pid_stat(5). */
function threadsAt(nice: number): number {
  const threads = readdirSync('/proc/self/task').filter((id) => Number(id) !== process.pid);
  return threads.filter((thread) => {
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]) === nice;
  }).length;
}

const notLinux = process.platform === 'linux' ? false : 'only Linux has priorities by thread';

test('workers, and the threads of their sessions, give way to the event loop', {
  skip: notLinux,
}, async () => {
  const first = await createEngine({ workers: 1 });
  const own = getPriority();
  const before = threadsAt(own + 5);
  const engine = await createEngine({ workers: 2 });
  try {
    assert.equal(getPriority(), own, 'the event loop is raised once');
    const started = threadsAt(own + 5);
    assert.equal(started - before, 2, 'one a worker');
    await engine.load(
      { name: 'm', version: '1', model: mlpModel([2, 4, 3]), externalData: [] },
      { intraOpThreads: 2 },
    );
    assert.equal(threadsAt(own + 5) - started, 2, 'one a session');
  } finally {
    await Promise.all([first.close(), engine.close()]);
  }
});
