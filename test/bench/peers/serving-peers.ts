/**
 * Assay, receipts on, next to Python servers of the same protocol, in one run: `make bench-peers`. The
 * load comes from Triton's perf_analyzer where PERF_ANALYZER names it, else from h2load. Every server
 * has ONNX Runtime 1.30 with one thread a session, raw contents over plaintext, and answers the same bits.
 * Where a peer is ahead it says what the difference is made of. A quarter of an hour or more;
 * BENCH_MODELS, BENCH_ROUNDS (each point has twice as many) and BENCH_SECONDS as in serving.ts.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { repositoryRoot } from '../../vectors.js';
import { type Contender, start, startPython } from '../support/contender.js';
import { canLoad } from '../support/load.js';
import { perfAnalyzer } from '../support/perf-analyzer.js';
import { Report } from '../support/report.js';
import { chosenModels } from '../support/serving-models.js';
import { standing } from '../support/standing.js';
import { h2load, measureModel, ROUNDS } from '../support/throughput.js';
import { explain } from '../support/why.js';

const OUTSTANDING = [1, 8, 64] as const;
const PEERS = { threads: 'Python, threads', asyncio: 'Python, asyncio' } as const;
const executable = process.env['PERF_ANALYZER'] ?? '';
const script = join(repositoryRoot, 'test', 'bench', 'peers', 'python_server.py');

async function main(): Promise<void> {
  if (!(await canLoad())) {
    console.log('bench-peers: skipped, h2load is not installed (Debian: nghttp2-client)');
    return;
  }
  const models = chosenModels().filter(({ curve }) => curve !== 'none');
  const folder = await mkdtemp(join(tmpdir(), 'assay-peers-'));
  const contenders: Contender[] = [];
  try {
    const paths = models.map(({ name }) => ({ name, path: join(folder, `${name}.onnx`) }));
    for (const [index, { model }] of models.entries()) {
      await writeFile(paths[index]?.path ?? '', model);
    }
    const python = process.env['PEERS_PYTHON'] ?? 'python3';
    for (const [kind, name] of Object.entries(PEERS)) {
      contenders.push(await startPython(name, python, [script, kind], paths));
    }
    const names = models.map(({ name }) => name);
    contenders.push(...(await start('on', names)).slice(0, 1));
    const report = new Report('serving-peers');
    const generate = executable === '' ? h2load : perfAnalyzer(executable);
    console.log(`bench-peers: the client is ${executable === '' ? 'h2load' : 'perf_analyzer'}`);
    for (const model of models) {
      await measureModel(contenders, model, OUTSTANDING, report, { generate, rounds: 2 * ROUNDS });
    }
    const behind = standing(report, models, OUTSTANDING, Object.values(PEERS));
    await explain(behind, contenders, models, report);
    report.write();
  } finally {
    for (const { stop } of contenders) await stop();
    await rm(folder, { recursive: true });
  }
}

await main();
