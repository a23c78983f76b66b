/**
 * The whole service under mixed load for SOAK_SECONDS (120): callers that verify every answer, among
 * callers that go away, hang up, miss deadlines and send nonsense, while models are reloaded and workers
 * die. Fails on one lost answer, one that is not bit for bit what plain onnxruntime-node gives alone, one
 * receipt that does not verify, a log that is not consistent from head to head, or memory that grows.
 */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import { POISON } from './fatal-annotator.js';
import { hangUp } from './hang-up.js';
import { plainAnswers, type Sample, SOAK_MODELS } from './soak-models.js';
import { counter, openSession, startService } from './soak-service.js';

const SECONDS = Number(process.env['SOAK_SECONDS'] ?? 120);
const HONEST_CALLERS = 6;
const REPORT_EVERY = 60_000;
/**
 * Of what memory took in the first half of the time: to hold more at the end is a leak. Heaps and arenas
 * still fill in a run of a few minutes, which can show coarse leaks alone.
 */
const MAX_GROWTH = SECONDS < 600 ? 1.3 : 1.1;

const counts = {
  verified: 0,
  cancelled: 0,
  hungUp: 0,
  late: 0,
  refused: 0,
  killed: 0,
  reloads: 0,
  audits: 0,
  bystanders: 0,
};

const directory = await mkdtemp(join(tmpdir(), 'assay-soak-'));
const serving = await startService(directory);
const samples = new Map<string, readonly Sample[]>();
for (const model of SOAK_MODELS) samples.set(model.name, await plainAnswers(model, 24));
/** Names of models, each as often as its share. */
const wheel = SOAK_MODELS.flatMap(({ name, share }) => Array<string>(share).fill(name));

const started = performance.now();
const end = started + SECONDS * 1000;
const running = (): boolean => performance.now() < end;
const pause = (milliseconds: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, milliseconds));

function pick(turn: number): { name: string; sample: Sample } {
  const name = wheel[(turn * 7) % wheel.length] ?? 'small';
  const own = samples.get(name) ?? [];
  const sample = own[turn % own.length];
  if (sample === undefined) throw new RangeError('no samples');
  return { name, sample };
}

/** True where a worker was killed under the request: the one error that an honest caller may see. */
const isWorkerDeath = (error: unknown): boolean =>
  error instanceof AssayError && /worker thread (has )?ended/.test(error.message);

/** Infers and compares bit by bit; `session.infer` has verified the receipt. */
async function honest(seed: number): Promise<void> {
  const session = await openSession(serving);
  for (let turn = seed; running(); turn += HONEST_CALLERS) {
    const burst = Array.from({ length: 1 + (turn % 8) }, (_, i) => pick(turn + i));
    await Promise.all(
      burst.map(async ({ name, sample }) => {
        try {
          const { outputs } = await session.infer(name, [sample.input]);
          assert.deepEqual(outputs[0]?.data, sample.expected, `a mismatched answer of ${name}`);
          counts.verified += 1;
        } catch (error) {
          if (!isWorkerDeath(error)) throw error;
          counts.bystanders += 1;
        }
      }),
    );
    if (turn % 50 < HONEST_CALLERS) {
      await session.log.audit();
      counts.audits += 1;
    }
  }
  await session.log.audit();
  session.close();
}

/** Goes away at random moments, hangs up, misses deadlines, sends what cannot be right. */
async function rude(): Promise<void> {
  for (let turn = 0; running(); turn++) {
    const session = await openSession(serving);
    const { name, sample } = pick(turn);
    const gone = new AbortController();
    const unlessAnswered = (call: Promise<unknown>, what: 'cancelled' | 'late') =>
      call.then(
        () => undefined,
        () => {
          counts[what] += 1;
        },
      );
    const left = unlessAnswered(
      session.infer(name, [sample.input], { signal: gone.signal }),
      'cancelled',
    );
    const late = unlessAnswered(session.infer(name, [sample.input], { timeout: 1 }), 'late');
    await pause(turn % 4);
    gone.abort();
    const length = sample.input.data.length / 4;
    const wrong = { ...sample.input, shape: [length] };
    await assert.rejects(session.infer(name, [wrong]), /expected shape|INVALID_ARGUMENT/);
    counts.refused += 1;
    await Promise.all([left, late]);
    session.close();
    await hangUp(serving, session.certificate.toString(), { name, input: sample.input }, turn % 4);
    counts.hungUp += 1;
    await pause(20);
  }
}

/** Ends a worker thread every now and then: its callers get an error, the others an answer. */
async function killer(): Promise<void> {
  const session = await openSession(serving);
  while (running()) {
    await pause(Math.min(15_000, (SECONDS * 1000) / 4));
    if (!running()) break;
    const data = new Uint8Array(Float32Array.from({ length: 16 }, () => POISON).buffer);
    const poison = { name: 'input', datatype: 'FP32', shape: [1, 16], data } as const;
    await assert.rejects(session.infer('small', [poison]), isWorkerDeath);
    counts.killed += 1;
  }
  session.close();
}

/** Requests and executions of the small model, over all its loads: each load counts from zero. */
const small = { requests: 0, executions: 0 };

async function countSmall(): Promise<void> {
  small.requests += await counter(serving, 'nv_inference_request_success', 'small');
  small.executions += await counter(serving, 'nv_inference_exec_count', 'small');
}

async function reloader(): Promise<void> {
  for (let turn = 0; running(); turn++) {
    await pause(Math.min(10_000, (SECONDS * 1000) / 5));
    const { name } = SOAK_MODELS[turn % SOAK_MODELS.length] ?? { name: 'small' };
    if (name === 'small') await countSmall();
    await serving.models.load(name);
    counts.reloads += 1;
  }
}

const megabytes = (bytes: number): number => Math.round(bytes / 2 ** 20);

/**
 * Resident memory: what the first half of the time took, its highest twentieth left out, and the median of
 * the last quarter. Loads and deaths of workers have their peaks in both.
 */
async function memory(): Promise<{ firstHalf: number; lastQuarter: number }> {
  const readings: number[] = [];
  let reported = performance.now();
  while (running()) {
    readings.push(process.memoryUsage.rss());
    if (performance.now() - reported > REPORT_EVERY) {
      reported = performance.now();
      const seconds = Math.round((reported - started) / 1000);
      const residentMegabytes = megabytes(readings.at(-1) ?? 0);
      console.log(JSON.stringify({ seconds, ...counts, residentMegabytes }));
    }
    await pause(500);
  }
  const at = (values: readonly number[], share: number): number =>
    values.toSorted((a, b) => a - b)[Math.floor(values.length * share)] ?? 0;
  return {
    firstHalf: at(readings.slice(0, readings.length / 2), 0.95),
    lastQuarter: at(readings.slice((readings.length * 3) / 4), 0.5),
  };
}

const [resident] = await Promise.all([
  memory(),
  ...Array.from({ length: HONEST_CALLERS }, (_, seed) => honest(seed)),
  rude(),
  killer(),
  reloader(),
]);
await countSmall();
const meanBatch = small.requests / small.executions;
await serving.close();
await rm(directory, { recursive: true });
console.log(
  JSON.stringify({
    seconds: SECONDS,
    ...counts,
    meanBatch: Number(meanBatch.toFixed(2)),
    residentMegabytes: {
      firstHalf: megabytes(resident.firstHalf),
      lastQuarter: megabytes(resident.lastQuarter),
    },
  }),
);
for (const [what, count] of Object.entries(counts)) {
  assert.ok(count > 0 || what === 'bystanders', `nothing was exercised of: ${what}`);
}
assert.ok(meanBatch > 1, 'no batch was shared: their bits were not compared');
assert.ok(
  resident.lastQuarter < resident.firstHalf * MAX_GROWTH,
  `memory grew from ${megabytes(resident.firstHalf)} to ${megabytes(resident.lastQuarter)} MB`,
);
