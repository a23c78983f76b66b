/**
 * Throughput and latency of serving, side by side in one run: plain ONNX Runtime in process, a naive
 * server on the main thread, and Assay with receipts off, on, and on with TLS. The load comes from
 * h2load, a C program. Fails where a server answers with an error; a missed bar is only stated.
 *
 * BENCH_MODELS=tiny,mlp  these models alone
 * BENCH_ROUNDS=3         rounds of each point; four times as many of those that a bar judges
 * BENCH_SECONDS=0.8      of each round of each point
 */
import { type Contender, start } from './support/contender.js';
import { canLoad } from './support/load.js';
import { measureBars, measureReceipts } from './support/paired.js';
import { measurePing } from './support/ping.js';
import { Report } from './support/report.js';
import { chosenModels, type ServingModel } from './support/serving-models.js';
import { measureModel, ROUNDS, SECONDS } from './support/throughput.js';

/** Requests outstanding: the whole curve where a request is short, fewer points where it is long. */
const CURVES = { short: [1, 2, 4, 8, 16, 32, 64], long: [1, 2, 8, 64] } as const;

async function resident(contenders: readonly Contender[]): Promise<readonly number[]> {
  const megabytes: number[] = [];
  for (const { usage } of contenders) megabytes.push((await usage()).rss / 2 ** 20);
  return megabytes;
}

async function measure(
  contenders: readonly Contender[],
  models: readonly ServingModel[],
  report: Report,
): Promise<void> {
  const loaded = await resident(contenders);
  for (const model of models) {
    if (model.curve !== 'none') {
      await measureModel(contenders, model, CURVES[model.curve], report);
    }
  }
  await measureBars(contenders, models, report);
  await measureReceipts(contenders, models, report);
  await measurePing(contenders, models, report);
  const used = await resident(contenders);
  report.table(
    'Resident memory, MB',
    ['server', 'models loaded', 'after the load'],
    contenders.map(({ name }, i) => [name, loaded[i] ?? Number.NaN, used[i] ?? Number.NaN]),
  );
}

async function main(): Promise<void> {
  if (!(await canLoad())) {
    console.log('serving: skipped, h2load is not installed (Debian: nghttp2-client)');
    return;
  }
  const models = chosenModels();
  const names = models.map(({ name }) => name);
  console.log(`serving: ${names.join(', ')}; ${ROUNDS} rounds of ${SECONDS} s for each point`);
  const contenders: Contender[] = [];
  try {
    for (const mode of ['naive', 'off', 'on'] as const) {
      contenders.push(...(await start(mode, names)));
    }
    const report = new Report('serving');
    await measure(contenders, models, report);
    report.write();
  } finally {
    for (const { stop } of contenders) await stop();
  }
}

await main();
