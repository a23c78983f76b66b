import assert from 'node:assert/strict';
import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, type Settings } from 'node:http2';
import { connect as connectSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Worker } from 'node:worker_threads';
import { Client, credentials, type MethodDefinition, status } from '@grpc/grpc-js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { HEAD_FILE } from '../../attestation/receipt/tile-path.js';
import { decodeTreeHead } from '../../attestation/receipt/tree-head.js';
import type { SharedLog } from '../../enclave/log-writer.js';
import type { Engine, LoadOptions } from '../../src/engine/engine.js';
import { createEngine, type EngineSettings } from '../../src/engine/onnx-engine.js';
import { healthService } from '../../src/server/health.js';
import { Caller } from '../bench/support/rpc.js';
import { scaleModel, servedModel } from '../forge/enclave.js';
import { loopModel } from '../forge/inference-models.js';
import type { LogThread } from '../forge/log-thread.js';
import { serveIn, serveOptions } from '../forge/serving.js';

const folder = await mkdtemp(join(tmpdir(), 'assay-settings-'));
after(() => rm(folder, { recursive: true }));
await writeFile(join(folder, 'scale.onnx'), scaleModel(2));

const MODEL = { name: 'scale', version: '7', path: 'scale.onnx' };

/** Serves what is configured, at a plaintext port, until the end of the tests. */
async function start(config: object, options: Parameters<typeof serveIn>[2] = {}) {
  const models = [{ ...MODEL, batching: { maxBatchSize: 1 } }];
  const whole = { plaintext: { port: 0 }, development: true, models, ...config };
  const serving = await serveIn(folder, whole, options);
  let closed: Promise<void> | undefined;
  const close = () => {
    closed ??= serving.close();
    return closed;
  };
  after(close);
  return { ...serving, close };
}

const infer = (caller: Caller, elements: number) =>
  caller.call('ModelInfer', {
    model_name: 'scale',
    inputs: [{ name: 'x', datatype: 'FP32', shape: [elements] }],
    raw_input_contents: [Buffer.alloc(4 * elements)],
  });

test('what the configuration says of the engine and of a model is what they are told', async () => {
  const batching = {
    maxBatchSize: 4,
    sweep: false,
    dimensions: {},
    preferredBatchSizes: [2, 4],
    maxQueueDelayMicroseconds: 50,
    maxQueueSize: 9,
    priorityLevels: 3,
    defaultPriorityLevel: 1,
    defaultTimeoutMicroseconds: 60_000_000,
  };
  const execution = { intraOpThreads: 2, graphOptimizationLevel: 'basic' };
  const told: { settings?: EngineSettings; options?: LoadOptions | undefined } = {};
  const makeEngine: typeof createEngine = async (settings = {}) => {
    told.settings = settings;
    const engine = await createEngine(settings);
    const load = engine.load.bind(engine);
    engine.load = (source, options) => {
      assert.deepEqual([source.name, source.version], ['scale', '7']);
      told.options = options;
      return load(source, options);
    };
    return engine;
  };
  const model = { ...MODEL, ...execution, batching, maxRunSeconds: 7, allowEmptyTensors: true };
  const config = { workers: 2, memoryBudgetBytes: 2 ** 30, requestMemoryBytes: 4096 };
  const { enclave } = await start({ ...config, models: [model] }, { makeEngine });
  const { workers, memoryBudget, requestMemory } = told.settings ?? {};
  assert.deepEqual([workers, memoryBudget, requestMemory], [2, 2 ** 30, 4096]);
  assert.deepEqual(told.options, {
    ...execution,
    batching,
    maxRun: 7000,
    acceptsEmpty: true,
    operators: ['Mul'],
    scalarInputs: [],
    delicateInputs: [],
  });
  const [stated] = enclave.manifest.models;
  const { intraOpThreads, graphOptimizationLevel } = stated?.profile ?? {};
  assert.deepEqual({ intraOpThreads, graphOptimizationLevel }, execution);
});

test('what the configuration says of connections, messages and hosts holds for who connects', async (t) => {
  const { enclave, plaintextPort } = await start({
    connections: { max: 3, streams: 7 },
    maxMessageBytes: 2048,
    hosts: ['enclave.example', '192.0.2.7'],
  });
  const target = `127.0.0.1:${plaintextPort}`;
  const caller = new Caller(target);
  t.after(() => caller.close());
  await infer(caller, 256);
  await assert.rejects(infer(caller, 512), {
    code: status.RESOURCE_EXHAUSTED,
    details: /larger than max \(\d+ vs\.? 2048\)/,
  });
  const sessions = [1, 2].map(() => connect(`http://${target}`));
  t.after(() => sessions.map((session) => session.destroy()));
  for (const session of sessions) {
    const [settings] = (await once(session, 'remoteSettings')) as [Settings];
    assert.equal(settings.maxConcurrentStreams, 7);
  }
  const fourth = connectSocket({ port: plaintextPort ?? 0, host: '127.0.0.1' });
  fourth.on('error', () => undefined);
  await once(fourth, 'close');
  assert.equal(fourth.bytesRead, 0);
  const { subjectAltName } = new X509Certificate(enclave.keys.tls.certificatePem);
  assert.equal(subjectAltName, 'DNS:enclave.example, IP Address:192.0.2.7');
});

for (const [what, allowed, config] of [
  ['plaintext', 'development', { development: false }],
  ['development', 'plaintext', { plaintext: undefined }],
] as const) {
  test(`a launch policy that does not allow ${what} refuses a configuration with it`, async () => {
    const { graph } = servedModel('scale', 2).identity;
    const policy = { version: 1, models: [{ graph: toHex(graph) }], [allowed]: true };
    const launchPolicy = join(folder, `${what}.yaml`);
    await writeFile(launchPolicy, JSON.stringify(policy));
    await assert.rejects(start({ ...config, launchPolicy }), {
      code: 'LAUNCH_POLICY_CONFIGURATION',
      message: new RegExp(what),
    });
  });
}

test('a service that answers is healthy, as is each of its services', async (t) => {
  const { plaintextPort } = await start({});
  const client = new Client(`127.0.0.1:${plaintextPort}`, credentials.createInsecure());
  t.after(() => client.close());
  const list = healthService([]).definition['List'] as MethodDefinition<object, object>;
  const { path, requestSerialize, responseDeserialize } = list;
  const told = await new Promise((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, {}, (error, answer) =>
      error === null ? resolve(answer) : reject(error),
    );
  });
  const serving = { status: 'SERVING' };
  assert.deepEqual(told, {
    statuses: {
      '': serving,
      'inference.GRPCInferenceService': serving,
      'assay.v1.Attestation': serving,
    },
  });
});

test('nobody loads or unloads models unless the configuration says so', async (t) => {
  const { plaintextPort } = await start({});
  const caller = new Caller(`127.0.0.1:${plaintextPort}`);
  t.after(() => caller.close());
  for (const method of ['RepositoryModelLoad', 'RepositoryModelUnload']) {
    await assert.rejects(caller.call(method, { model_name: 'scale' }), {
      code: status.UNIMPLEMENTED,
      details: /the configuration does not allow their control at run time$/,
    });
  }
  await infer(caller, 1);
});

test('a connection without calls is closed after as long as the configuration says', {
  timeout: 60_000,
}, async () => {
  const { plaintextPort } = await start({ connections: { idleSeconds: 1 } });
  await once(connect(`http://127.0.0.1:${plaintextPort}`), 'close');
});

test('the log keeps as many entries in memory as the configuration says, and their proofs', async () => {
  const retain = 2 ** 16;
  const { enclave } = await start({ receiptLog: { retain } });
  const { issuer } = enclave;
  for (let left = retain + 8192; left > 0; left -= 8192) {
    const entries = Array.from({ length: 8192 }, (_, i) => Uint8Array.of(i & 0xff, i >> 8));
    await Promise.all(entries.map((entry) => issuer.append(entry)));
  }
  assert.throws(() => issuer.inclusion(0), { code: 'MERKLE_PRUNED' });
  assert.ok(issuer.inclusion(8192).length > 0);
});

test('worker threads and the service keep one log: one that ends as it appends keeps nobody from it', {
  timeout: 60_000,
}, async () => {
  let annotator: EngineSettings['annotator'];
  const makeEngine: typeof createEngine = (settings) => {
    annotator = settings?.annotator;
    return createEngine(settings);
  };
  const { enclave, plaintextPort } = await start({}, { makeEngine });
  const workerData: LogThread = {
    log: annotator?.data as SharedLog,
    appends: 0,
    entries: 0,
    dies: true,
  };
  const worker = new Worker(new URL('../forge/log-thread.js', import.meta.url), { workerData });
  const { threadId } = worker;
  await once(worker, 'exit');
  const appended = enclave.issuer.append(Uint8Array.of(1));
  annotator?.ended?.(threadId);
  assert.ok((await appended).length > 0);
  const caller = new Caller(`127.0.0.1:${plaintextPort}`);
  await infer(caller, 1).finally(() => caller.close());
  assert.equal(decodeTreeHead(enclave.issuer.treeHead()).size, 3, 'what a worker signs is told');
});

test('what is executed yet as the service closes is under the head that it leaves', async () => {
  const engines: Engine[] = [];
  const makeEngine: typeof createEngine = async (settings) => {
    const engine = await createEngine(settings);
    engines.push(engine);
    return engine;
  };
  await writeFile(join(folder, 'loop.onnx'), loopModel());
  const models = [{ name: 'loop', path: 'loop.onnx' }];
  const config = {
    models,
    drainSeconds: 0,
    receiptLog: { directory: 'log' },
    metrics: { port: 0 },
  };
  const { enclave, plaintextPort, metricsPort, close } = await start(config, { makeEngine });
  const caller = new Caller(`127.0.0.1:${plaintextPort}`);
  const turns = Buffer.from(BigInt64Array.of(1_000_000n).buffer);
  const ends = caller.call('ModelInfer', {
    model_name: 'loop',
    inputs: [{ name: 'input', datatype: 'INT64', shape: [1] }],
    raw_input_contents: [turns],
  });
  const lost = assert.rejects(ends, { code: status.UNAVAILABLE });
  while (engines[0]?.requestMemory.held === 0) await new Promise(setImmediate);
  await close();
  await lost.finally(() => caller.close());
  const head = await readFile(join(folder, 'log', toHex(enclave.keys.epoch), HEAD_FILE));
  assert.equal(decodeTreeHead(head).size, 2);
  const gone = connectSocket({ port: metricsPort ?? 0, host: '127.0.0.1' });
  await assert.rejects(once(gone, 'connect'), { code: 'ECONNREFUSED' });
});

/** Samples of the published log by what their names say of it. */
async function publishedMetrics(port: number | undefined): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text();
  const samples = [...text.matchAll(/^assay_log_((?:un)?published\w+) (\S+)$/gm)];
  return Object.fromEntries(samples.map(([, name = '', value]) => [name, Number(value)]));
}

test('a folder in which the log cannot be written is told to the operator, and costs no answer', async (t) => {
  await writeFile(join(folder, 'blocked'), '');
  const told = t.mock.method(serveOptions.log, 'error').mock;
  const { enclave, plaintextPort, metricsPort, close } = await start({
    receiptLog: { directory: 'blocked' },
    metrics: { port: 0 },
  });
  const caller = new Caller(`127.0.0.1:${plaintextPort}`);
  await infer(caller, 1).finally(() => caller.close());
  await enclave.issuer.flush();
  const directory = join(folder, 'blocked', toHex(enclave.keys.epoch));
  const message =
    'tile/0/000.p/1 cannot be written now: ENOTDIR; 2 of at most 4096 files wait in memory';
  assert.deepEqual(told.calls[0]?.arguments, [
    { code: 'RECEIPT_TILES', message, directory },
    'the receipt log could not be written',
  ]);
  const found = { unpublished_entries: 2, published_timestamp_seconds: 0 };
  assert.deepEqual(await publishedMetrics(metricsPort), found);
  await close();
  assert.deepEqual(told.calls.at(-1)?.arguments, [
    { entries: 2, published: 0 },
    'no published head covers the newest entries of the receipt log, and none will: the process ends',
  ]);
});

test('a published log has its newest head and its entries in the metrics, another has none there', async (t) => {
  const told = t.mock.method(serveOptions.log, 'error').mock;
  const metrics = { port: 0 };
  const now = new Date('2026-02-01T12:00:00.5Z');
  const { enclave, plaintextPort, metricsPort, close } = await start(
    { receiptLog: { directory: 'log' }, metrics },
    { now: () => now },
  );
  const caller = new Caller(`127.0.0.1:${plaintextPort}`);
  await enclave.issuer.flush();
  await infer(caller, 1).finally(() => caller.close());
  assert.deepEqual(await publishedMetrics(metricsPort), {
    unpublished_entries: 1,
    published_timestamp_seconds: now.getTime() / 1000,
  });
  await close();
  assert.deepEqual(enclave.issuer.published, { size: 2, at: now });
  assert.equal(told.callCount(), 0);
  assert.deepEqual(await publishedMetrics((await start({ metrics })).metricsPort), {});
});
