import { spawn } from 'node:child_process';
import { AssayError } from '../../attestation/encoding/error.js';

/** A program and the words before its own, so that it can be run on other libraries than the host's. */
export type Command = readonly [string, ...string[]];

/**
 * Runs a program, by its name one of the build machine, and
 * returns its output; throws CONFIG_IMAGE with its errors.
 */
export function run(
  command: string | Command,
  words: readonly string[],
  options: { readonly cwd?: string; readonly input?: Uint8Array } = {},
): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const [program, ...first] = typeof command === 'string' ? [command] : command;
    const child = spawn(program, [...first, ...words], {
      cwd: options.cwd,
      env: { PATH: process.env['PATH'], HOME: process.env['HOME'], LC_ALL: 'C', TZ: 'UTC' },
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    const output: Buffer[] = [];
    const errors: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => output.push(part));
    child.stderr.on('data', (part: Buffer) => errors.push(part));
    child.stdin.on('error', () => undefined);
    child.stdin.end(options.input);
    child.on('error', (cause) => {
      reject(new AssayError('CONFIG_IMAGE', `the build needs the program ${program}`, cause));
    });
    child.on('close', (code) => {
      if (code === 0) resolve(Buffer.concat(output));
      else {
        const said = Buffer.concat(errors).toString().trim().split('\n').slice(-5).join(' ');
        reject(new AssayError('CONFIG_IMAGE', `${program} ended with code ${code}: ${said}`));
      }
    });
  });
}
