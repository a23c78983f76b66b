import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);

export interface Load {
  readonly target: string;
  /** Path of the method. */
  readonly method: string;
  /** The request message. */
  readonly message: Buffer;
  readonly outstanding: number;
  /** Of load before the measured ones: connections open, queues fill. */
  readonly ramp: number;
  readonly seconds: number;
}

export interface LoadResult {
  /** Responses of HTTP status 200, those before the measured seconds included. */
  readonly responses: number;
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** A message as gRPC sends it, uncompressed ("Length-Prefixed-Message" of gRPC over HTTP/2). */
function framed(message: Buffer): Buffer {
  const frame = Buffer.alloc(5 + message.length);
  frame.writeUInt32BE(message.length, 1);
  message.copy(frame, 5);
  return frame;
}

/** Seconds that h2load may take to end after its time. */
const GRACE = 30;

/** True where nghttp2's load generator is installed: grpc-js's own client saturates before a server. */
export async function canLoad(): Promise<boolean> {
  return run('h2load', ['--version']).then(
    () => true,
    () => false,
  );
}

/**
 * Loads a server with one kind of request and reports what completed. h2load does not read gRPC's
 * trailers: whether the responses were answers is for the caller to find out from the server's counts.
 * Rejects where a stream failed, or where h2load does not end.
 */
export async function load(options: Load): Promise<LoadResult> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-load-'));
  try {
    const data = join(folder, 'request');
    const log = join(folder, 'log');
    await writeFile(data, framed(options.message));
    const clients = Math.min(8, options.outstanding);
    await run(
      'h2load',
      [
        '--threads=1',
        `--clients=${clients}`,
        `--max-concurrent-streams=${options.outstanding / clients}`,
        `--duration=${Math.round((options.ramp + options.seconds) * 1000)}ms`,
        '--header=content-type: application/grpc',
        '--header=te: trailers',
        `--data=${data}`,
        `--log-file=${log}`,
        `${options.target}${options.method}`,
      ],
      { timeout: Math.ceil((options.ramp + options.seconds + GRACE) * 1000) },
    );
    return summary(await readFile(log, 'utf8'), options.ramp);
  } finally {
    await rm(folder, { recursive: true });
  }
}

/** Of h2load's log: start in microseconds, status, microseconds until the response ended. */
function summary(log: string, ramp: number): LoadResult {
  const rows = log
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => line.split('\t').map(Number) as [number, number, number]);
  const failures = rows.filter(([, status]) => status !== 200).length;
  if (failures > 0)
    throw new Error(`${failures} of ${rows.length} requests had no HTTP status 200`);
  if (rows.length === 0) throw new Error('no request was answered');
  const ends = rows.map(([start, , took]) => start + took);
  const from = Math.min(...rows.slice(0, 64).map(([start]) => start)) + ramp * 1e6;
  const until = Math.max(...ends.slice(-64));
  const times = rows
    .filter((_, i) => (ends[i] ?? 0) > from)
    .map(([, , took]) => took / 1000)
    .sort((a, b) => a - b);
  const at = (share: number): number => times[Math.floor(times.length * share)] ?? Number.NaN;
  return {
    responses: rows.length,
    perSecond: times.length / ((until - from) / 1e6),
    p50: at(0.5),
    p99: at(0.99),
  };
}
