import assert from 'node:assert/strict';
import type { Contender } from './contender.js';
import { load } from './load.js';
import type { Report } from './report.js';

const TIMES = { ramp: 0.3, seconds: 1 } as const;

/** What a call without an inference costs a server. */
export interface EmptyCall {
  readonly contender: string;
  readonly outstanding: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  /** Processor milliseconds of the server. */
  readonly cpu: number;
}

/** What a server's gRPC costs by itself: `ServerLive`. */
export async function measureEmptyCalls(
  contenders: readonly Contender[],
  concurrencies: readonly number[],
  report: Report,
): Promise<readonly EmptyCall[]> {
  const calls: EmptyCall[] = [];
  for (const outstanding of concurrencies) {
    for (const { name, target, caller, usage } of contenders) {
      assert.deepEqual(await caller.call('ServerLive', {}), { live: true });
      const before = await usage();
      const { responses, perSecond, p50 } = await load({
        target,
        method: '/inference.GRPCInferenceService/ServerLive',
        message: Buffer.alloc(0),
        outstanding,
        ...TIMES,
      });
      const cpu = ((await usage()).cpu - before.cpu) / responses;
      calls.push({ contender: name, outstanding, perSecond, p50, cpu });
    }
  }
  report.table(
    'What gRPC costs without an inference: ServerLive',
    ['outstanding', 'server', 'calls/s', 'p50 ms', 'CPU ms'],
    calls.map((call) => [
      String(call.outstanding),
      call.contender,
      call.perSecond,
      call.p50,
      call.cpu,
    ]),
  );
  return calls;
}
