/**
 * The whole service under mixed load for SOAK_SECONDS (120): callers that verify every answer, among
 * callers that go away, miss deadlines and send nonsense, while models are reloaded and workers die.
 * Fails on one lost or mismatched answer, one receipt that does not verify, a log that is not
 * consistent from head to head, or memory that grows.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parsePolicy } from '../../attestation/appraisal/policy.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { pemBlocks } from '../../attestation/encoding/pem.js';
import { identifyModel } from '../../attestation/model/identity.js';
import { SIMULATED_MEASUREMENT } from '../../enclave/platform/simulator/snp.js';
import { connect } from '../../src/client/connect.js';
import type { Session } from '../../src/client/session.js';
import { parseConfig } from '../../src/config.js';
import { createEngine } from '../../src/engine/onnx-engine.js';
import { makeLog } from '../../src/log.js';
import { type Serving, serve } from '../../src/main.js';
import { simulatorKeys } from '../forge/enclave.js';
import { mlpModel } from '../forge/inference-models.js';
import { POISON } from './fatal-annotator.js';
import { plainAnswers, type Sample } from './plain-answers.js';

const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 120);
const WIDTHS = { small: [16, 32, 8], large: [128, 256, 64] } as const;
type ModelName = keyof typeof WIDTHS;
const NAMES = Object.keys(WIDTHS) as ModelName[];
const HONEST_CALLERS = 6;
/** Growth of resident memory from the middle to the end that counts as a leak. */
const MAX_GROWTH = 1.25;

const counts = {
  verified: 0,
  cancelled: 0,
  late: 0,
  refused: 0,
  killed: 0,
  reloads: 0,
  audits: 0,
  bystanders: 0,
};

const directory = await mkdtemp(join(tmpdir(), 'assay-soak-'));
const models = new Map(NAMES.map((name) => [name, mlpModel(WIDTHS[name])]));
const graphs = [...models].map(([name, bytes]) => ({
  graph: toHex(identifyModel({ path: name, bytes }).graph),
}));

async function startService(): Promise<Serving> {
  for (const [name, bytes] of models) await writeFile(join(directory, `${name}.onnx`), bytes);
  const policy = JSON.stringify({ version: 1, models: graphs });
  await writeFile(join(directory, 'launch-policy.yaml'), policy);
  const config = parseConfig(
    {
      listen: { port: 0 },
      platform: { kind: 'simulator', rootDirectory: simulatorKeys },
      launchPolicy: 'launch-policy.yaml',
      models: NAMES.map((name) => ({ name, path: `${name}.onnx` })),
      workers: 2,
    },
    {},
    directory,
  );
  return serve(config, {
    log: makeLog('silent'),
    surroundings: { env: {}, execArgv: [], inspector: undefined },
    now: () => new Date(),
    onFatal: (error) => {
      throw error;
    },
    makeEngine: ({ annotator, ...settings } = {}) => {
      const module = new URL('./fatal-annotator.js', import.meta.url);
      return createEngine({
        ...settings,
        ...(annotator === undefined ? {} : { annotator: { ...annotator, module } }),
      });
    },
  });
}

const serving = await startService();
const roots = pemBlocks(serving.simulatedRoot ?? '', 'CERTIFICATE');
const samples = new Map<ModelName, readonly Sample[]>();
for (const [name, bytes] of models)
  samples.set(name, await plainAnswers(bytes, WIDTHS[name][0], 24));

const open = (): Promise<Session> =>
  connect(
    `localhost:${serving.port}`,
    parsePolicy({
      version: 1,
      snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
      enclave: { models: graphs },
    }),
    { roots },
  );

const end = performance.now() + SECONDS * 1000;
const running = (): boolean => performance.now() < end;
const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

function pick(turn: number): { name: ModelName; sample: Sample } {
  const name = NAMES[turn % NAMES.length] ?? 'small';
  const own = samples.get(name) ?? [];
  const sample = own[(turn * 7) % own.length];
  if (sample === undefined) throw new RangeError('no samples');
  return { name, sample };
}

const tensor = ({ shape, data }: Pick<Sample, 'shape' | 'data'>) => ({
  name: 'input',
  datatype: 'FP32' as const,
  shape,
  data,
});

/** True where a worker was killed under the request: the one error that an honest caller may see. */
const isWorkerDeath = (error: unknown): boolean =>
  error instanceof AssayError && /worker thread (has )?ended/.test(error.message);

/** Infers and compares bit by bit; `session.infer` has verified the receipt. */
async function honest(seed: number): Promise<void> {
  const session = await open();
  for (let turn = seed; running(); turn += HONEST_CALLERS) {
    const burst = Array.from({ length: 1 + (turn % 8) }, (_, i) => pick(turn + i));
    await Promise.all(
      burst.map(async ({ name, sample }) => {
        try {
          const { outputs } = await session.infer(name, [tensor(sample)]);
          assert.deepEqual(outputs[0]?.data, sample.expected, 'a mismatched answer');
          counts.verified += 1;
        } catch (error) {
          if (!isWorkerDeath(error)) throw error;
          counts.bystanders += 1;
        }
      }),
    );
    if (turn % 50 < HONEST_CALLERS) {
      await session.audit();
      counts.audits += 1;
    }
  }
  await session.audit();
  session.close();
}

/** Goes away at random moments, misses deadlines, sends what cannot be right. */
async function rude(): Promise<void> {
  for (let turn = 0; running(); turn++) {
    const session = await open();
    const { name, sample } = pick(turn);
    const gone = new AbortController();
    const leaving = session.infer(name, [tensor(sample)], { signal: gone.signal });
    await pause(turn % 4);
    gone.abort();
    const left = leaving.then(
      () => undefined,
      () => {
        counts.cancelled += 1;
      },
    );
    const late = session.infer(name, [tensor(sample)], { timeout: 1 }).then(
      () => undefined,
      () => {
        counts.late += 1;
      },
    );
    const wrong = { ...tensor(sample), shape: [sample.data.length / 4] };
    await assert.rejects(session.infer(name, [wrong]), /expected shape|INVALID_ARGUMENT/);
    counts.refused += 1;
    await Promise.all([left, late]);
    session.close();
    await pause(20);
  }
}

/** Ends a worker thread every now and then: its callers get an error, the others an answer. */
async function killer(): Promise<void> {
  const session = await open();
  while (running()) {
    await pause(Math.min(15_000, (SECONDS * 1000) / 4));
    if (!running()) break;
    const data = new Uint8Array(Float32Array.from({ length: 16 }, () => POISON).buffer);
    await assert.rejects(session.infer('small', [tensor({ shape: [1, 16], data })]), isWorkerDeath);
    counts.killed += 1;
  }
  session.close();
}

async function reloader(): Promise<void> {
  for (let turn = 0; running(); turn++) {
    await pause(Math.min(10_000, (SECONDS * 1000) / 5));
    await serving.models.load(NAMES[turn % NAMES.length] ?? 'small');
    counts.reloads += 1;
  }
}

/** Median of resident memory over a window, so that a collection more or less does not count. */
async function memory(): Promise<{ middle: number; last: number }> {
  const readings: number[] = [];
  while (running()) {
    readings.push(process.memoryUsage().rss);
    await pause(500);
  }
  const median = (values: readonly number[]): number =>
    values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;
  const quarter = Math.ceil(readings.length / 4);
  return {
    middle: median(readings.slice(quarter, 2 * quarter)),
    last: median(readings.slice(-quarter)),
  };
}

const [resident] = await Promise.all([
  memory(),
  ...Array.from({ length: HONEST_CALLERS }, (_, seed) => honest(seed)),
  rude(),
  killer(),
  reloader(),
]);
await serving.close();
await rm(directory, { recursive: true });
const megabytes = (bytes: number): number => Math.round(bytes / 2 ** 20);
console.log(
  JSON.stringify({
    seconds: SECONDS,
    ...counts,
    residentMegabytes: { middle: megabytes(resident.middle), last: megabytes(resident.last) },
  }),
);
assert.ok(counts.verified > 0 && counts.killed > 0 && counts.reloads > 0, 'nothing was exercised');
assert.ok(resident.last < resident.middle * MAX_GROWTH, 'memory grew');
