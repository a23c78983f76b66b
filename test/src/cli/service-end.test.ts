import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { pemBlocks } from '../../../attestation/encoding/pem.js';
import { identifyModel } from '../../../attestation/model/identity.js';
import { HEAD_FILE } from '../../../attestation/receipt/tile-path.js';
import { decodeTreeHead } from '../../../attestation/receipt/tree-head.js';
import { connect } from '../../../src/client/connect.js';
import type { Session } from '../../../src/client/session.js';
import type { Tensor } from '../../../src/client/tensor.js';
import { type Spawned, spawnAssay } from '../../forge/cli.js';
import { affirmingPolicy, scaleModel, servedModel } from '../../forge/enclave.js';
import { loopModel } from '../../forge/inference-models.js';
import { dataType, encodeTensor } from '../../forge/onnx.js';
import { send } from '../../forge/raw-grpc.js';
import { simulatorKeys } from '../../vectors.js';

let folder = '';
const at = (...names: readonly string[]): string => join(folder, ...names);

before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'assay-end-'));
  await mkdir(at('loop'));
  await writeFile(at('loop', 'loop.onnx'), loopModel());
  await writeFile(at('scale.onnx'), scaleModel(2));
});
after(() => rm(folder, { recursive: true }));

const LOOP = { name: 'loop', path: 'loop/loop.onnx', selfTest: false };
const SCALE = { name: 'scale', path: 'scale.onnx', batching: { maxBatchSize: 1 } };

/** Starts a service of these models, which is killed at the end of the test file. */
async function serve(
  models: readonly object[],
  more: object = {},
  env: Readonly<Record<string, string>> = {},
): Promise<Spawned> {
  const config = {
    listen: { port: 0 },
    platform: { kind: 'simulator', rootDirectory: simulatorKeys },
    models,
    workers: 2,
    ...more,
  };
  await writeFile(at('assay.json'), JSON.stringify(config));
  const service = spawnAssay(['serve', at('assay.json'), '--simulator-root', at('root.pem')], env);
  after(() => service.kill('SIGKILL'));
  return service;
}

async function open(service: Spawned): Promise<Session> {
  await service.logged('path');
  const roots = pemBlocks(await readFile(at('root.pem'), 'latin1'), 'CERTIFICATE');
  const loop = identifyModel({ path: 'loop.onnx', bytes: loopModel() });
  const scale = servedModel('scale', 2);
  const policy = affirmingPolicy([{ ...scale, name: 'loop', identity: loop }, scale], {
    allowUnpinned: true,
  });
  const session = await connect(`localhost:${await service.logged('port')}`, policy, { roots });
  after(() => session.close());
  return session;
}

const turns = (count: bigint): Tensor[] => [
  {
    name: 'input',
    datatype: 'INT64',
    shape: [1],
    data: new Uint8Array(BigInt64Array.of(count).buffer),
  },
];

const ones: Tensor[] = [
  { name: 'x', datatype: 'FP32', shape: [2], data: new Uint8Array(Float32Array.of(1, 1).buffer) },
];

test('SIGTERM with a request in flight: its answer comes, with a receipt that holds', async () => {
  const service = await serve([LOOP, SCALE]);
  const session = await open(service);
  let answered = false;
  const slow = session.infer('loop', turns(1_000_000n)).then((answer) => {
    answered = true;
    return answer;
  });
  // The other worker answers this one, which came after it on the same connection.
  await session.infer('scale', ones);
  assert.equal(answered, false);
  service.kill('SIGTERM');
  const { claims, outputs } = await slow;
  assert.equal(claims.model.name, 'loop');
  assert.deepEqual(outputs[0]?.shape, [1]);
  assert.equal(await service.ended, 0);
  assert.match(service.written.out, /"draining"/);
});

test('an execution that hangs: its caller is told, the process ends for its supervisor', async () => {
  const service = await serve([{ ...LOOP, maxRunSeconds: 0.05 }, SCALE]);
  const session = await open(service);
  // Minutes of turns: what ends the process is not the end of the execution.
  const hung = session.infer('loop', turns(100_000_000n));
  const [answer] = await Promise.all([
    session.infer('scale', ones),
    assert.rejects(hung, {
      code: 'CLIENT_SERVICE',
      message: /took longer than the 0.05 s that it may take/,
    }),
  ]);
  assert.equal(answer.claims.model.name, 'scale');
  assert.equal(await service.ended, null);
  assert.match(service.written.out, /"code":"timeout".*the engine cannot go on/);
});

/** Publishes the log, and waits a tenth of a second for whoever is there. */
const IMPATIENT = { drainSeconds: 0.1, receiptLog: { directory: 'log' } };

/** Entries under the last head that a service published. */
async function published(service: Spawned): Promise<number> {
  const epoch = String(await service.logged('epoch'));
  return decodeTreeHead(await readFile(at('log', epoch, HEAD_FILE))).size;
}

/** Holds a stream of the service open, as a caller who never says that it has sent all. */
async function holdStream(service: Spawned): Promise<void> {
  const session = connectHttp2(`https://localhost:${await service.logged('port')}`, {
    rejectUnauthorized: false,
  });
  after(() => session.destroy());
  const stream = send(session, '/inference.GRPCInferenceService/ModelStreamInfer', [], {});
  stream.on('error', () => undefined);
  await once(session, 'connect');
  await new Promise((resolve) => session.ping(resolve));
}

for (const signal of ['SIGTERM', 'SIGHUP'] as const) {
  test(`${signal} while a caller holds a stream open: it ends after drainSeconds, the log is whole`, async () => {
    const service = await serve([SCALE], IMPATIENT);
    const session = await open(service);
    for (let i = 0; i < 20; i++) await session.infer('scale', ones);
    await holdStream(service);
    service.kill(signal);
    assert.equal(await service.ended, 0);
    assert.match(service.written.out, /"closed"/);
    assert.equal(await published(service), 21);
  });
}

test('a log that cannot be written is told with the folder that it is for', async () => {
  const service = await serve([SCALE], { receiptLog: { directory: 'scale.onnx' } });
  const epoch = String(await service.logged('epoch'));
  assert.equal(await service.logged('code'), 'RECEIPT_TILES');
  const line = service.written.out.split('\n').find((each) => each.includes('RECEIPT_TILES'));
  assert.equal(JSON.parse(line ?? '').directory, at('scale.onnx', epoch));
  service.kill('SIGTERM');
  assert.equal(await service.ended, 0);
});

test('the same wish said by two signals at once is a drain', async () => {
  const service = await serve([SCALE], IMPATIENT);
  await holdStream(service);
  service.kill('SIGTERM');
  service.kill('SIGINT');
  assert.equal(await service.ended, 0);
  assert.match(service.written.out, /"closed"/);
});

/** Sets the clock that never goes back two seconds on at SIGUSR2. */
const LATER = `
const now = performance.now.bind(performance);
let later = 0;
performance.now = () => now() + later;
process.on('SIGUSR2', () => {
  later = 2000;
  console.log('later');
});`;

for (const [first, second] of [
  ['SIGTERM', 'SIGTERM'],
  ['SIGTERM', 'SIGINT'],
  ['SIGINT', 'SIGTERM'],
] as const) {
  test(`${second} more than a second after ${first} ends a drain at once`, async () => {
    await writeFile(at('later.mjs'), LATER);
    const service = await serve(
      [SCALE],
      { drainSeconds: 10, development: true },
      { NODE_OPTIONS: `--import=${at('later.mjs')}` },
    );
    await holdStream(service);
    service.kill(first);
    await service.printed(/"(draining)"/);
    service.kill('SIGUSR2');
    await service.printed(/^(later)$/m);
    service.kill(second);
    assert.equal(await service.ended, null);
  });
}

test('an execution that outlives the service: what was answered before it is published', async () => {
  const service = await serve([LOOP, SCALE], IMPATIENT);
  const session = await open(service);
  const endless = assert.rejects(session.infer('loop', turns(100_000_000n)));
  await session.infer('scale', ones);
  service.kill('SIGTERM');
  await endless;
  assert.equal(await service.ended, null);
  assert.equal(await published(service), 2);
});

/** Ends the worker threads at SIGUSR2, and each that is started afterwards. */
const MORTAL_WORKERS = `
import { BroadcastChannel, isMainThread } from 'node:worker_threads';
const channel = new BroadcastChannel('mortal');
channel.unref();
if (isMainThread) {
  process.on('SIGUSR2', () => {
    process.env.MORTAL = 'now';
    channel.postMessage('end');
  });
} else {
  if (process.env.MORTAL === 'now') process.exit(1);
  channel.onmessage = () => process.exit(1);
}`;

test('workers that end as often as they start, while a caller holds a stream open: exit code 4', async () => {
  await writeFile(at('mortal.mjs'), MORTAL_WORKERS);
  const service = await serve(
    [SCALE],
    { ...IMPATIENT, development: true },
    { NODE_OPTIONS: `--import=${at('mortal.mjs')}` },
  );
  await holdStream(service);
  service.kill('SIGUSR2');
  assert.equal(await service.ended, 4);
  assert.match(service.written.out, /ends as often as it is started.*the engine cannot go on/);
  assert.equal(await published(service), 1);
});

/** Waits for whoever writes to pipe.onnx, as a file system does that does not answer. */
const ENDLESS_OPEN = `
import files from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
const { open } = files;
files.open = (path, ...rest) => open(path, ...(path.endsWith('pipe.onnx') ? ['r'] : rest));
syncBuiltinESMExports();`;

test('SIGTERM while a model is read ends the process', async () => {
  execFileSync('mkfifo', [at('pipe.onnx')]);
  await writeFile(at('endless.mjs'), ENDLESS_OPEN);
  const service = await serve(
    [SCALE, { name: 'pipe', path: 'pipe.onnx' }],
    { development: true },
    { NODE_OPTIONS: `--import=${at('endless.mjs')}` },
  );
  await service.printed(/"model":"scale".*(loaded a model)/);
  service.kill('SIGTERM');
  assert.equal(await service.ended, null);
  assert.match(service.written.out, /ending before anything was served/);
});

test('SIGTERM while a model executes its own test vectors ends the process', async () => {
  const set = at('loop', 'test_data_set_0');
  await mkdir(set);
  const turns = encodeTensor({ type: dataType.int64, dims: [1], int64s: [100_000_000] });
  await writeFile(join(set, 'input_0.pb'), turns);
  await writeFile(
    join(set, 'output_0.pb'),
    encodeTensor({ type: dataType.float, dims: [1], floats: [0] }),
  );
  const service = await serve([SCALE, { ...LOOP, selfTest: true }]);
  await service.printed(/"model":"loop".*(measured a model)/);
  service.kill('SIGTERM');
  assert.equal(await service.ended, null);
  assert.match(service.written.out, /ending before anything was served/);
});
