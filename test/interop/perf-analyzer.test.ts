/** Triton's own load generator, as it comes from PyPI, against the attested service. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { promisify } from 'node:util';
import { mlpModel } from '../forge/inference-models.js';
import { serveAttested } from './serve-attested.js';

/** An executable: `test/interop/perf-analyzer.sh` makes it. */
const perfAnalyzer = process.env['PERF_ANALYZER'] ?? '';
const skip = existsSync(perfAnalyzer) ? false : 'PERF_ANALYZER names no executable';
const run = promisify(execFile);

const WIDTH = 16;
const REQUESTS = 400;
const WAYS = {
  'one request a message': [],
  'requests of four items': ['-b', '4'],
  'a stream': ['--streaming', '--async'],
} as const;

async function analyze(target: string, options: readonly string[]): Promise<string> {
  const { stdout } = await run(
    perfAnalyzer,
    [
      ...['-m', 'mlp', '-u', target, '-i', 'grpc', '--shape', `input:${WIDTH}`],
      ...['--concurrency-range', '8', '--request-count', String(REQUESTS)],
      ...['--ssl-grpc-use-ssl', 'true', ...options],
    ],
    { timeout: 60_000 },
  );
  return stdout;
}

test('perf_analyzer works unchanged, pinned to the certificate of attest --ca', {
  skip,
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'assay-perf-'));
  after(() => rm(folder, { recursive: true, force: true }));
  const { serving, root } = await serveAttested({ mlp: mlpModel([WIDTH, 32, 8]) }, folder);
  const target = `localhost:${serving.port}`;
  const pinned = ['--ssl-grpc-root-certifications-file', root];
  for (const [way, options] of Object.entries(WAYS)) {
    await t.test(way, async () => {
      const report = await analyze(target, [...pinned, ...options]);
      const figure = (name: string): number =>
        Number(new RegExp(`${name}: ([\\d.]+)`).exec(report)?.[1] ?? Number.NaN);
      assert.ok(figure('Throughput') > 0, report);
      // Its own count of answers, and what ModelStatistics counted at the same time.
      assert.ok(figure('Request count') >= REQUESTS, report);
      assert.ok(figure('Successful request count') >= figure('Request count'), report);
    });
  }
  await t.test('refuses the same server under another root', async () => {
    const other = join(folder, 'simulator.pem');
    await assert.rejects(
      analyze(target, ['--ssl-grpc-root-certifications-file', other]),
      /failed to connect|unavailable|handshake/i,
    );
  });
});
