import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { Contender } from './contender.js';
import type { LoadResult } from './load.js';
import { NONCE } from './rpc.js';
import type { ServingModel } from './serving-models.js';
import type { Generate } from './throughput.js';

const run = promisify(execFile);

/** perf_analyzer reports the last three of its windows together; stable they need not be. */
const WINDOWS = 3;

/** Seconds that it may take to begin and to end. */
const GRACE = 30;

/** Shapes as perf_analyzer wants them: without the batch where the server says that it batches. */
async function shapesOf({ caller }: Contender, { name, inputs }: ServingModel): Promise<string[]> {
  const { config } = await caller.call<{ readonly config: { readonly max_batch_size: number } }>(
    'ModelConfig',
    { name },
  );
  const batched = config.max_batch_size > 0;
  return inputs.map((input) => `${input.name}:${input.shape.slice(batched ? 1 : 0).join(',')}`);
}

/** The last line of perf_analyzer's table, by the names of its columns. */
function lastRow(csv: string): ReadonlyMap<string, number> {
  const lines = csv.trim().split('\n');
  const values = lines.at(-1)?.split(',').map(Number) ?? [];
  return new Map(lines[0]?.split(',').map((name, i) => [name, values[i] ?? Number.NaN]));
}

/**
 * Loads a server with Triton's perf_analyzer: a nonce as h2load's requests have it, random tensors. It
 * reads gRPC's statuses, and ends with an error at the first that is not OK.
 */
export const perfAnalyzer =
  (executable: string): Generate =>
  async (contender, model, { outstanding, ramp, seconds }): Promise<LoadResult> => {
    const folder = await mkdtemp(join(tmpdir(), 'assay-perf-'));
    try {
      const csv = join(folder, 'table.csv');
      const shapes = await shapesOf(contender, model);
      const window = Math.round(Math.max(seconds / WINDOWS, ramp) * 1000);
      const longest = Math.ceil(1000 * (GRACE + 10 * WINDOWS * Math.max(seconds, ramp)));
      const { stdout } = await run(
        executable,
        [
          ...['-m', model.name, '-u', contender.target.replace(/^http:\/\//, ''), '-i', 'grpc'],
          ...shapes.flatMap((shape) => ['--shape', shape]),
          ...['--request-parameter', `nonce:${NONCE}:string`],
          ...['--concurrency-range', String(outstanding), '--async', '--max-threads', '2'],
          ...['--measurement-interval', String(window), '--max-trials', '10'],
          ...['--stability-percentage', '99999', '-f', csv],
        ],
        { timeout: longest },
      );
      const row = lastRow(await readFile(csv, 'utf8'));
      const milliseconds = (column: string): number => (row.get(column) ?? Number.NaN) / 1000;
      return {
        responses: Number(/Request count: (\d+)/.exec(stdout)?.[1]),
        perSecond: row.get('Inferences/Second') ?? Number.NaN,
        p50: milliseconds('p50 latency'),
        p99: milliseconds('p99 latency'),
      };
    } finally {
      await rm(folder, { recursive: true });
    }
  };
