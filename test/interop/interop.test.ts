import assert from 'node:assert/strict';
import { execFile, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { arithmeticModel, identityModel, mlpModel } from '../forge/inference-models.js';
import type { CaseReport } from './case-process.js';
import { NodeCases } from './node-case.js';
import { python, withoutPython } from './peers.js';
import { serveAttested } from './serve-attested.js';

const script = (name: string): string =>
  fileURLToPath(new URL(`../../../test/interop/${name}`, import.meta.url));
const run = promisify(execFile);

const folder = await mkdtemp(join(tmpdir(), 'assay-interop-'));
after(() => rm(folder, { recursive: true, force: true }));

test('tritonclient gets metadata and correct results, pinned to the certificate of attest --ca', {
  skip: withoutPython,
}, async () => {
  const { serving, root } = await serveAttested(
    {
      arithmetic: arithmeticModel(),
      mlp: mlpModel([4, 8, 2]),
      'identity-INT64': identityModel('INT64'),
      'identity-BYTES': identityModel('BYTES'),
      'identity-FP16': identityModel('FP16'),
      'identity-BOOL': identityModel('BOOL'),
    },
    folder,
    { maxBatchSize: 1 },
  );
  const { stdout } = await run(python, [
    script('triton_client.py'),
    `localhost:${serving.port}`,
    root,
  ]);
  console.log(stdout.trim());
  assert.match(stdout, /^ok \d+ checks$/m);
});

/** Runs every case by one route, going on after a crash. */
async function execute(way: 'plain' | 'assay', count: number): Promise<CaseReport[]> {
  const reports: CaseReport[] = [];
  while (reports.length < count) {
    const start = reports.length;
    await new Promise<void>((resolve) => {
      const child = fork(
        fileURLToPath(new URL('./case-process.js', import.meta.url)),
        [way, join(folder, 'cases'), String(start)],
        { stdio: ['ignore', 'ignore', 'ignore', 'ipc'] },
      );
      child.on('message', (message: CaseReport | { readonly index: number }) => {
        if ('passed' in message) reports.push(message);
      });
      child.once('exit', () => resolve());
    });
    if (reports.length < count) {
      const index = reports.length;
      reports.push({ index, passed: false, digest: undefined, reason: 'the process ended' });
    }
  }
  return reports;
}

test('ONNX operator cases pass through Assay exactly where they pass in plain onnxruntime-node', {
  skip: withoutPython,
}, async () => {
  await run(python, [script('export_node_cases.py'), join(folder, 'cases')]);
  const cases = new NodeCases(join(folder, 'cases'));
  const plain = await execute('plain', cases.length);
  const assay = await execute('assay', cases.length);
  const passed = (reports: readonly CaseReport[]): number =>
    reports.filter((report) => report.passed).length;
  const differing = plain.flatMap((report, index) => {
    const other = assay[index];
    return report.passed === other?.passed
      ? []
      : [`${cases.name(index)}: plain ${report.reason ?? 'ok'}, Assay ${other?.reason ?? 'ok'}`];
  });
  const bits = plain.filter((report, index) => {
    return report.digest !== undefined && report.digest === assay[index]?.digest;
  }).length;
  const executed = plain.filter(({ digest }) => digest !== undefined).length;
  console.log(
    `${cases.length} ONNX operator cases: ${passed(plain)} pass in plain onnxruntime-node, ` +
      `${passed(assay)} through Assay; outputs equal bit for bit in ${bits} of ${executed}`,
  );
  assert.deepEqual(differing, []);
});
