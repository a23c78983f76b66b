import assert from 'node:assert/strict';
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { before, suite, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { repositoryRoot } from '../vectors.js';
import { LEASED, SEGMENTS } from './dhcp.js';

const folder = join(repositoryRoot, 'build/guest');
const client = join(folder, 'address');
const segment = fileURLToPath(new URL('./dhcp-segment.js', import.meta.url));

/** Namespaces want root, and a kernel that lets it have them. */
const trial = spawnSync('unshare', ['--net', 'ip', 'link', 'add', 'type', 'veth']);
const skip = trial.status !== 0 && `no network namespaces here: ${trial.error ?? trial.stderr}`;

suite("init's network: an address, and a way beyond the gateway", { skip }, () => {
  before(() => {
    mkdirSync(folder, { recursive: true });
    const sources = ['test/guest/address.c', 'enclave/image/network.c'];
    execFileSync(
      'gcc',
      ['-std=gnu17', '-D_GNU_SOURCE', '-Wall', '-Wextra', '-Werror', '-o', client, ...sources],
      { cwd: repositoryRoot, stdio: 'inherit' },
    );
  });

  for (const name of Object.keys(SEGMENTS)) {
    test(name, async () => {
      const { stdout } = await promisify(execFile)(
        'unshare',
        ['--net', process.execPath, segment, client, name],
        { timeout: 60_000 },
      );
      assert.equal(stdout.trim(), LEASED);
    });
  }
});
