/** Assay, receipts on, next to a Python server of the same protocol, in one run: `make bench-peers`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { start, startPython } from '../support/contender.js';
import { canLoad } from '../support/load.js';
import { printBar } from '../support/measure.js';
import { type Row, writeReport } from '../support/report.js';
import { servingModels } from '../support/serving-models.js';
import { measureModel } from '../support/throughput.js';

const python = process.env['PEERS_PYTHON'] ?? 'python3';
const chosen = process.env['BENCH_MODELS']?.split(',');
const models = servingModels().filter(({ name }) => chosen?.includes(name) ?? true);
const names = models.map(({ name }) => name);

if (await canLoad()) {
  const folder = await mkdtemp(join(tmpdir(), 'assay-peers-'));
  const paths = names.map((name) => ({ name, path: join(folder, `${name}.onnx`) }));
  for (const [index, { model }] of models.entries()) {
    await writeFile(paths[index]?.path ?? '', model);
  }
  const peer = await startPython(python, paths);
  const assay = (await start('on', names)).slice(0, 1);
  const contenders = [peer, ...assay];
  try {
    const rows: Row[] = [];
    for (const model of models) rows.push(...(await measureModel(contenders, model)));
    writeReport('serving-peers', rows);
    for (const { model, outstanding, perSecond } of rows.filter(
      (row) => row.contender === 'Assay',
    )) {
      const other = rows.find(
        (row) =>
          row.model === model && row.outstanding === outstanding && row.contender === peer.name,
      );
      const ratio = perSecond / (other?.perSecond ?? Number.NaN);
      printBar(`${model}, ${outstanding} outstanding, over Python`, ratio, 1, true);
    }
  } finally {
    for (const { stop } of contenders) await stop();
    await rm(folder, { recursive: true });
  }
} else {
  console.log('bench-peers: skipped, h2load is not installed (Debian: nghttp2-client)');
}
