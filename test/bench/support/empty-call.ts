import assert from 'node:assert/strict';
import type { Contender } from './contender.js';
import { load } from './load.js';
import type { Report } from './report.js';

const SHAPE = { outstanding: 8, ramp: 0.3, seconds: 1 } as const;

/** What a server's gRPC costs by itself: `ServerLive`, 8 outstanding, in the server's processor time. */
export async function measureEmptyCalls(
  contenders: readonly Contender[],
  report: Report,
): Promise<void> {
  const rows: (string | number)[][] = [];
  for (const { name, target, caller, usage } of contenders) {
    assert.deepEqual(await caller.call('ServerLive', {}), { live: true });
    const before = await usage();
    const { responses, perSecond, p50 } = await load({
      target,
      method: '/inference.GRPCInferenceService/ServerLive',
      message: Buffer.alloc(0),
      ...SHAPE,
    });
    rows.push([name, perSecond, p50, ((await usage()).cpu - before.cpu) / responses]);
  }
  report.table(
    `What gRPC costs without an inference: ServerLive, ${SHAPE.outstanding} outstanding`,
    ['server', 'calls/s', 'p50 ms', 'CPU ms'],
    rows,
  );
}
