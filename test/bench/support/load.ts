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
  readonly seconds: number;
}

export interface LoadResult {
  readonly perSecond: number;
  /** Milliseconds. */
  readonly p50: number;
  readonly p99: number;
}

/** True where nghttp2's load generator is installed: grpc-js's own client saturates before a server. */
export async function canLoad(): Promise<boolean> {
  return run('h2load', ['--version']).then(
    () => true,
    () => false,
  );
}

/** Loads a server with one kind of request and reports what completed. */
export async function load(options: Load): Promise<LoadResult> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-load-'));
  try {
    const frame = Buffer.alloc(5 + options.message.length);
    frame.writeUInt32BE(options.message.length, 1);
    options.message.copy(frame, 5);
    const data = join(folder, 'request');
    const log = join(folder, 'log');
    await writeFile(data, frame);
    const clients = Math.min(8, options.outstanding);
    await run('h2load', [
      '--threads=1',
      `--clients=${clients}`,
      `--max-concurrent-streams=${options.outstanding / clients}`,
      `--duration=${options.seconds}`,
      '--warm-up-time=1',
      '--header=content-type: application/grpc',
      '--header=te: trailers',
      `--data=${data}`,
      `--log-file=${log}`,
      `${options.target}${options.method}`,
    ]);
    const times = (await readFile(log, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => line.split('\t'))
      .filter(([, status]) => status === '200')
      .map(([, , microseconds]) => Number(microseconds))
      .sort((a, b) => a - b);
    const at = (share: number): number =>
      (times[Math.floor(times.length * share)] ?? Number.NaN) / 1000;
    return { perSecond: times.length / options.seconds, p50: at(0.5), p99: at(0.99) };
  } finally {
    await rm(folder, { recursive: true });
  }
}
