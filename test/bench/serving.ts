/**
 * Throughput and latency of serving, side by side in one run: a naive server on the main thread, and
 * Assay with receipts off, on, and on with TLS. The load comes from h2load, a C program.
 */
import { ceiling } from './support/ceiling.js';
import { type Contender, start } from './support/contender.js';
import { canLoad, load } from './support/load.js';
import { printBar } from './support/measure.js';
import { pingWhile } from './support/ping.js';
import { type Row, writeReport } from './support/report.js';
import { INFER, inferMessage } from './support/request.js';
import { type ServingModel, servingModels } from './support/serving-models.js';
import { measureModel } from './support/throughput.js';

async function measurePing(contenders: readonly Contender[], model: ServingModel): Promise<void> {
  console.log(`\nAnother caller's ping while ${model.name} saturates the server`);
  for (const { name, target } of contenders.filter((one) => one.target.startsWith('http:'))) {
    const message = inferMessage(model);
    const saturating = load({ target, method: INFER, message, outstanding: 16, seconds: 4 });
    const times = await pingWhile(target, saturating);
    const at = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN;
    console.log(`  ${name}: p50 ${at(0.5).toFixed(2)} ms, p99 ${at(0.99).toFixed(2)} ms`);
    if (name === 'Assay') printBar('ping p50, ms', at(0.5), 2);
  }
}

function judge(rows: readonly Row[]): void {
  const find = (model: string, outstanding: number, contender: string): Row | undefined =>
    rows.find(
      (row) =>
        row.model === model && row.outstanding === outstanding && row.contender === contender,
    );
  const ratio = (model: string, over: string): number =>
    (find(model, 64, 'Assay')?.perSecond ?? 0) / (find(model, 64, over)?.perSecond ?? 0);
  const names = new Set(rows.map(({ model }) => model));
  console.log('Ratios that are judged');
  if (names.has('mlp'))
    printBar('MLP, 64 outstanding, over naive', ratio('mlp', 'naive'), 1.6, true);
  if (names.has('ocr-detector')) {
    printBar('OCR detector, over naive', ratio('ocr-detector', 'naive'), 1.25, true);
    const off = ratio('ocr-detector', 'Assay, receipts off');
    printBar('OCR detector, over receipts off', off, 0.95, true);
  }
  for (const model of names) {
    const [on, off] = ['Assay', 'Assay, receipts off'].map((name) => find(model, 1, name)?.p50);
    if (on !== undefined && off !== undefined) {
      printBar(`${model}: ms that receipts add to p50 at 1 outstanding`, on - off, 0.15);
    }
  }
}

async function main(): Promise<void> {
  if (!(await canLoad())) {
    console.log('serving: skipped, h2load is not installed (Debian: nghttp2-client)');
    return;
  }
  const chosen = process.env['BENCH_MODELS']?.split(',');
  const models = servingModels().filter(({ name }) => chosen?.includes(name) ?? true);
  const names = models.map(({ name }) => name);
  console.log('\nPlain onnxruntime-node in one process, one at a time');
  for (const model of models) {
    console.log(`  ${model.name}: ${(await ceiling(model, 1)).toFixed(0)}/s`);
  }
  const contenders = [
    ...(await start('naive', names)),
    ...(await start('off', names)),
    ...(await start('on', names)),
  ];
  try {
    const rows: Row[] = [];
    for (const model of models) rows.push(...(await measureModel(contenders, model)));
    writeReport('serving', rows);
    judge(rows);
    const page = models.find(({ name }) => name === 'ocr-page');
    if (page !== undefined) await measurePing(contenders, page);
    console.log('\nResident memory, MB');
    for (const { name, usage } of contenders) {
      console.log(`  ${name}: ${((await usage()).rss / 2 ** 20).toFixed(0)}`);
    }
  } finally {
    for (const { stop } of contenders) await stop();
  }
}

await main();
