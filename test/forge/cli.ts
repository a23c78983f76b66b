import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { run } from '../../src/cli/program.js';
import { repositoryRoot } from '../vectors.js';

/** Why a test that fills a device is skipped; false where it is not. */
export const withoutFull = existsSync('/dev/full') ? false : 'this system has no /dev/full';

/** What a command left behind. */
export interface Outcome {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Surroundings of a command that runs in this process. */
export interface CliOptions {
  readonly stdin?: Uint8Array;
  readonly env?: Readonly<Record<string, string>>;
  readonly isTTY?: boolean;
  readonly now?: Date;
}

/** Runs one command line in this process. */
export async function assay(args: readonly string[], options: CliOptions = {}): Promise<Outcome> {
  let [out, err] = ['', ''];
  const isTTY = options.isTTY ?? false;
  const code = await run(args, {
    stdin: Readable.from(options.stdin === undefined ? [] : [Buffer.from(options.stdin)]),
    stdout: { isTTY, write: (text) => (out += text) },
    stderr: { isTTY, write: (text) => (err += text) },
    env: options.env ?? {},
    now: () => options.now ?? new Date(),
  });
  return { code, out, err };
}

const CLI = join(repositoryRoot, 'build', 'src', 'cli', 'main.js');

/** A command in a process of its own. */
export interface Spawned {
  /** Everything written so far. */
  readonly written: { out: string; err: string };
  /** Resolves with the first member of this name in a line of JSON on standard output. */
  logged(member: string): Promise<unknown>;
  /** Resolves with the first group of this expression in a line on standard output. */
  printed(pattern: RegExp): Promise<string>;
  kill(signal: NodeJS.Signals): void;
  /** Resolves with the exit code; null if a signal ended it. */
  readonly ended: Promise<number | null>;
}

/** Starts the built command line; `under` is a program that runs Node, with its own arguments. */
export function spawnAssay(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  under: readonly string[] = [],
): Spawned {
  const [program = process.execPath, ...rest] = [...under, process.execPath, CLI, ...args];
  const child = spawn(program, rest, {
    env: { PATH: process.env['PATH'], HOME: process.env['HOME'], ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const written = { out: '', err: '' };
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  createInterface(child.stdout).on('line', (line) => {
    lines.push(line);
    for (const look of waiting) look();
  });
  child.stdout.on('data', (chunk: Buffer) => {
    written.out += chunk.toString('latin1');
  });
  child.stderr.on('data', (chunk: Buffer) => {
    written.err += chunk.toString('latin1');
  });
  const ended = new Promise<number | null>((resolve) => {
    child.once('close', (code) => resolve(code));
  });
  const found = <T>(read: (line: string) => T | undefined): Promise<T> =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        for (const line of lines) {
          const value = read(line);
          if (value === undefined) continue;
          waiting.delete(look);
          resolve(value);
          return;
        }
      };
      waiting.add(look);
      look();
      void ended.then((code) => reject(new Error(`exit code ${code}: ${written.err}`)));
    });
  return {
    written,
    ended,
    kill: (signal) => child.kill(signal),
    logged: (member) =>
      found((line) => {
        const entry = line.startsWith('{') ? (JSON.parse(line) as Record<string, unknown>) : {};
        return entry[member];
      }),
    printed: (pattern) => found((line) => pattern.exec(line)?.[1]),
  };
}
