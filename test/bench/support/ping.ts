import { openCeiling } from './ceiling.js';
import type { Contender } from './contender.js';
import { load } from './load.js';
import type { Report } from './report.js';
import { answerOf, INFER, inferMessage } from './rpc.js';
import { LONG_MODEL, type ServingModel } from './serving-models.js';

const OUTSTANDING = 16;
const SHAPE = { outstanding: OUTSTANDING, ramp: 0.5, seconds: 3 } as const;

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
 * What another caller waits, on a connection of its own, while long inferences saturate the server: for
 * `ServerLive`, and for an inference of a tiny model, which needs a worker as the long ones do.
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
  const rows: (string | number)[][] = [];
  for (const { name, target, caller } of contenders) {
    if (target.startsWith('https:')) continue;
    const calls = {
      ServerLive: () => caller.call('ServerLive', {}),
      'tiny inference': () => answerOf(caller, tiny),
    };
    for (const [what, call] of Object.entries(calls)) {
      const message = inferMessage(long);
      const saturating = load({ target, method: INFER, message, ...SHAPE });
      const times = await timesUntil(saturating, call);
      const { perSecond } = await saturating;
      const at = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN;
      rows.push([name, what, at(0.5), at(0.99), perSecond]);
      if (name === 'Assay' && what === 'ServerLive') {
        report.bar({
          what: "another caller's ping, p50, ms",
          value: at(0.5),
          limit: 2,
          atLeast: false,
        });
      }
    }
  }
  report.table(
    `Another caller's call while ${OUTSTANDING} inferences of ${alone.toFixed(1)} ms are outstanding`,
    ['server', 'call', 'p50 ms', 'p99 ms', 'long inferences/s'],
    rows,
  );
}
