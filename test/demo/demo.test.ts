import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, test } from 'node:test';
import { repositoryRoot } from '../vectors.js';

/** The demo, with a folder for temporary files of its own. */
function start(folder: string) {
  const script = join(repositoryRoot, 'build', 'demo', 'main.js');
  const env = { ...process.env, TMPDIR: folder };
  return spawn(process.execPath, [script], { env, stdio: ['ignore', 'pipe', 'ignore'] });
}

type Demo = ReturnType<typeof start>;

/** The port on which the demo says that its enclave answers. */
async function serving(demo: Demo): Promise<number> {
  for await (const line of createInterface(demo.stdout)) {
    const [, port] = /answers at localhost:(\d+)/.exec(line) ?? [];
    if (port !== undefined) return Number(port);
  }
  throw new Error('the demo ended without an enclave');
}

const INTERRUPTIONS: Readonly<Record<string, readonly [(demo: Demo) => unknown, number]>> = {
  'by who reads': [(demo) => demo.stdout.destroy(), 0],
  'by a signal': [(demo) => demo.kill('SIGTERM'), 143],
};

describe('a demo that is interrupted leaves no enclave and no folder', () => {
  for (const [name, [interrupt, code]] of Object.entries(INTERRUPTIONS)) {
    test(name, async () => {
      const folder = await mkdtemp(join(tmpdir(), 'assay-test-'));
      try {
        const demo = start(folder);
        const ended = once(demo, 'exit');
        const port = await serving(demo);
        const held = connect(port, '127.0.0.1').on('error', () => {});
        await once(held, 'connect');
        interrupt(demo);
        assert.deepEqual(await ended, [code, null]);
        assert.deepEqual(await readdir(folder), []);
        if (!held.destroyed) await once(held, 'close');
        await assert.rejects(once(connect(port, '127.0.0.1'), 'connect'), { code: 'ECONNREFUSED' });
      } finally {
        await rm(folder, { recursive: true });
      }
    });
  }
});
