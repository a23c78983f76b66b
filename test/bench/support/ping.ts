import { getPriority, setPriority } from 'node:os';
import { openCeiling } from './ceiling.js';
import type { Contender } from './contender.js';
import { load } from './load.js';
import { median, medianInterval } from './measure.js';
import { Pinger } from './pinger.js';
import type { Report } from './report.js';
import { INFER, inferMessage, LIVE } from './rpc.js';
import { LONG_MODEL, type ServingModel } from './serving-models.js';

const OUTSTANDING = 16;
const SHAPE = { outstanding: OUTSTANDING, ramp: 0.5, seconds: 2 } as const;
const ROUNDS = 5;

/** Milliseconds that `call` takes, one call after another, until `done` resolves; sorted. */
async function timesUntil(
  done: Promise<unknown>,
  call: () => Promise<unknown>,
): Promise<readonly number[]> {
  let running = true;
  const stopped = done.finally(() => {
    running = false;
  });
  const times: number[] = [];
  while (running) {
    const started = performance.now();
    await call();
    times.push(performance.now() - started);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  await stopped;
  return times.sort((a, b) => a - b);
}

/**
 * Raises this process above the workers where it may: it plays a caller on a machine of its own, whose
 * wait for a core is no part of the answer's. Returns what undoes it.
 */
function asFromElsewhere(): () => void {
  const before = getPriority();
  try {
    setPriority(-10);
  } catch {
    console.log('  (this process may not raise its priority: its own waiting is counted)');
  }
  return () => setPriority(before);
}

/** One kind of call to one server, with what was measured of it in each round. */
interface Pinged {
  readonly server: Contender;
  readonly what: string;
  readonly pinger: Pinger;
  readonly p50: number[];
  readonly p99: number[];
  readonly perSecond: number[];
  /** Of the event loop's heap, a second. */
  readonly collections: number[];
}

async function ping(pinged: Pinged, long: ServingModel): Promise<void> {
  const { target, usage } = pinged.server;
  const [before, started] = [await usage(), performance.now()];
  const saturating = load({ target, method: INFER, message: inferMessage(long), ...SHAPE });
  const times = await timesUntil(saturating, () => pinged.pinger.ping());
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN;
  pinged.p50.push(at(0.5));
  pinged.p99.push(at(0.99));
  pinged.perSecond.push((await saturating).perSecond);
  const { collections } = await usage();
  const seconds = (performance.now() - started) / 1000;
  pinged.collections.push((collections - before.collections) / seconds);
}

/**
 * What another caller waits, on a connection of its own, while long inferences saturate the server: for
 * `ServerLive`, and for an inference of a tiny model, which needs a worker as the long ones do. The
 * servers take turns.
 */
export async function measurePing(
  contenders: readonly Contender[],
  models: readonly ServingModel[],
  report: Report,
): Promise<void> {
  const long = models.find(({ name }) => name === LONG_MODEL);
  const tiny = models.find(({ name }) => name === 'tiny');
  if (long === undefined || tiny === undefined) return;
  const ceiling = await openCeiling(long);
  const alone = 1000 / (await ceiling.measure(1));
  await ceiling.release();
  const all: Pinged[] = [];
  for (const server of contenders.filter(({ target }) => !target.startsWith('https:'))) {
    const calls = [
      { what: 'ServerLive', path: LIVE, message: Buffer.alloc(0) },
      { what: 'tiny inference', path: INFER, message: inferMessage(tiny) },
    ];
    for (const { what, path, message } of calls) {
      const pinger = await Pinger.open(server.target, path, message);
      all.push({ server, what, pinger, p50: [], p99: [], perSecond: [], collections: [] });
    }
  }
  const undo = asFromElsewhere();
  for (let round = 0; round < ROUNDS; round++) {
    for (const pinged of all) await ping(pinged, long);
  }
  undo();
  for (const { server, what, p50, pinger } of all) {
    pinger.close();
    if (server.name !== 'Assay' || what !== 'ServerLive') continue;
    report.bar({
      what: "another caller's ping, p50, ms",
      value: median(p50),
      limit: 2,
      atLeast: false,
      interval: medianInterval(p50),
    });
  }
  report.table(
    `Another caller's call while ${OUTSTANDING} inferences of ${alone.toFixed(1)} ms are outstanding, ${ROUNDS} rounds in turns`,
    ['server', 'call', 'p50 ms', 'p99 ms', 'long inferences/s', 'full collections/s'],
    all.map(({ server, what, p50, p99, perSecond, collections }) => [
      server.name,
      what,
      median(p50),
      median(p99),
      median(perSecond),
      median(collections),
    ]),
  );
}
