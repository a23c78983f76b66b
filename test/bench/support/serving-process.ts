/** One contender in a process of its own: `naive`, `off` (Assay without receipts) or `on`. */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  constants,
  type NodeGCPerformanceDetail,
  type PerformanceEntry,
  PerformanceObserver,
} from 'node:perf_hooks';
import { identifyModel } from '../../../attestation/model/identity.js';
import { makeTlsIdentity } from '../../../enclave/tls.js';
import { parseConfig } from '../../../src/config.js';
import { createEngine } from '../../../src/engine/onnx-engine.js';
import { serve } from '../../../src/main.js';
import { inferenceService } from '../../../src/server/inference-service.js';
import { ModelRegistry } from '../../../src/server/model-registry.js';
import { startServer } from '../../../src/server/server.js';
import { serveOptions } from '../../forge/serving.js';
import { simulatorKeys } from '../../vectors.js';
import { startNaiveServer } from './naive-server.js';
import { type ServingModel, servingModels } from './serving-models.js';

/** What the process tells its parent once it serves. */
export interface ServingPorts {
  readonly plaintext: number;
  readonly tls: number | undefined;
  /** What the load-time sweep and proof decided, by model. */
  readonly batching: Readonly<Record<string, string>>;
}

async function withoutReceipts(models: readonly ServingModel[]): Promise<ServingPorts> {
  const engine = await createEngine();
  const registry = new ModelRegistry();
  const batching: Record<string, string> = {};
  for (const { name, model } of models) {
    const operators = identifyModel({ path: name, bytes: model }).operators.map((one) => one.name);
    const source = { name, version: '1', model, externalData: [] };
    const loaded = await engine.load(source, { operators });
    batching[name] = `${loaded.batching.maxBatchSize} (${loaded.batching.invariance})`;
    registry.add(loaded);
  }
  const server = await startServer({
    services: [
      inferenceService({
        models: registry,
        server: { name: 'assay', version: 'bench' },
        ready: () => true,
      }),
    ],
    address: { host: '127.0.0.1', port: 0 },
    plaintextAddress: { host: '127.0.0.1', port: 0 },
    tls: await makeTlsIdentity(['localhost'], new Date()),
    maxReceiveBytes: 64 * 1024 * 1024,
    connections: { max: 1024, maxStreams: 1024, idle: 3_600_000 },
  });
  return { plaintext: server.plaintextPort ?? 0, tls: server.port, batching };
}

/** The whole service, on the simulator. */
async function withReceipts(models: readonly ServingModel[]): Promise<ServingPorts> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-bench-'));
  for (const { name, model } of models) await writeFile(join(folder, `${name}.onnx`), model);
  const config = parseConfig(
    {
      listen: { port: 0 },
      plaintext: { port: 0 },
      platform: { kind: 'simulator', rootDirectory: simulatorKeys },
      models: models.map(({ name }) => ({ name, path: `${name}.onnx` })),
      development: true,
    },
    {},
    folder,
  );
  const serving = await serve(config, serveOptions);
  await rm(folder, { recursive: true });
  return { plaintext: serving.plaintextPort ?? 0, tls: serving.port, batching: {} };
}

/** Of entry type `gc`, which Node's types leave out. */
interface GcEntry extends PerformanceEntry {
  readonly detail: NodeGCPerformanceDetail;
}

/** Full collections of the event loop's heap. */
let collections = 0;
new PerformanceObserver((list) => {
  for (const entry of list.getEntries()) {
    const { detail } = entry as GcEntry;
    if (detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR) collections += 1;
  }
}).observe({ entryTypes: ['gc'] });

const [mode = 'on', only = ''] = process.argv.slice(2);
const models = servingModels().filter(({ name }) => only === '' || only.split(',').includes(name));
const ports: ServingPorts =
  mode === 'naive'
    ? { plaintext: await startNaiveServer(models), tls: undefined, batching: {} }
    : await (mode === 'off' ? withoutReceipts(models) : withReceipts(models));
process.send?.(ports);
process.on('message', () => {
  process.send?.({ rss: process.memoryUsage().rss, cpu: process.cpuUsage(), collections });
});
process.once('disconnect', () => process.exit(0));
