import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { executionFacts, instructionSetOf } from '../../../src/engine/profile.js';
import { copiedRuntime, RUNTIME_LIBRARY } from '../../forge/copied-runtime.js';

test('the instruction set is what decides kernels, in one order', () => {
  const of = (flags: string, architecture = 'x64'): string | undefined =>
    instructionSetOf(`processor\t: 0\nflags\t\t: ${flags}\nbogomips : 1\n`, architecture);
  assert.equal(of('fpu avx2 fma avx sse4_1 hypervisor'), 'avx+avx2+fma+sse4_1');
  assert.equal(of('avx sse4_1 fma avx2 lahf_lm'), 'avx+avx2+fma+sse4_1');
  assert.equal(of('sse sse2'), '');
  assert.equal(of('avx512f amx_tile'), 'amx_tile+avx512f');
  assert.equal(of('avx', 'riscv64'), undefined);
  assert.equal(instructionSetOf('nothing', 'x64'), undefined);
  assert.equal(
    instructionSetOf('Features\t: fp asimd asimddp i8mm\n', 'arm64'),
    'asimd+asimddp+i8mm',
  );
});

test('the facts of this process', async () => {
  const facts = await executionFacts({ intraOpThreads: 2, graphOptimizationLevel: 'basic' });
  assert.equal(facts.intraOpThreads, 2);
  assert.equal(facts.graphOptimizationLevel, 'basic');
  assert.equal(facts.node, process.version);
  assert.match(facts.runtime, /^\d+\.\d+\.\d+$/);
  assert.ok(facts.libraries.some(({ file }) => file.endsWith('.node')));
  for (const { sha256 } of facts.libraries) assert.equal(sha256.length, 32);
  assert.deepEqual(await executionFacts(), {
    ...facts,
    intraOpThreads: 1,
    graphOptimizationLevel: 'all',
  });
});

test('a thread that ends without facts is told, and nothing waits for it', async () => {
  const profile = new URL('../../../src/engine/profile.js', import.meta.url).href;
  // What NODE_OPTIONS preloads runs in every thread as well.
  const preload = "import{isMainThread}from'node:worker_threads';if(!isMainThread)process.exit(7)";
  const program = `
    import { executionFacts } from '${profile}';
    const told = await executionFacts().catch((error) => error);
    const { name, reason, message, cause } = told;
    console.log(JSON.stringify({ name, reason, message, cause: cause.message }));`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { env: { NODE_OPTIONS: `--import data:text/javascript,${encodeURIComponent(preload)}` } },
  );
  assert.deepEqual(JSON.parse(stdout), {
    name: 'EngineError',
    reason: 'load',
    message: 'expected to hash ONNX Runtime and to execute the kernel probe',
    cause: 'the thread ended with code 7, before an answer',
  });
});

test('there are no facts of a process that executes another library than the one that it hashed', async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'assay library-'));
  t.after(() => rm(folder, { recursive: true }));
  const profile = new URL('../../../src/engine/profile.js', import.meta.url).href;
  const program = `
    import { executionFacts } from '${profile}';
    const { name, reason, message } = await executionFacts().catch((error) => error);
    console.log(JSON.stringify({ name, reason, message }));`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { env: copiedRuntime(folder) },
  );
  const { name, reason, message } = JSON.parse(stdout);
  assert.deepEqual([name, reason], ['EngineError', 'load']);
  const [hashed, mapped] = message.split(', not what this process has mapped ');
  assert.ok(hashed.includes(RUNTIME_LIBRARY) && !hashed.includes(folder), hashed);
  assert.ok(!mapped.includes(RUNTIME_LIBRARY) && mapped.includes(folder), mapped);
});

test('a process that begins with the facts leaves nothing of the runtime in its home', async (t) => {
  const home = await mkdtemp(join(tmpdir(), 'assay-home-'));
  t.after(() => rm(home, { recursive: true }));
  const module = (name: string): string =>
    JSON.stringify(new URL(`../../../src/engine/${name}.js`, import.meta.url).href);
  const program = `
    import ${module('begin-facts')};
    import { executionFacts } from ${module('profile')};
    console.log((await executionFacts()).runtime);`;
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--input-type=module', '--eval', program],
    { env: { HOME: home } },
  );
  assert.match(stdout, /^\d+\.\d+\.\d+$/m);
  assert.deepEqual(await readdir(home, { recursive: true }), []);
});
