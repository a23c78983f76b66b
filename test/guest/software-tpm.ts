import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Tpm } from '../../enclave/platform/tpm/device.js';

/** A running swtpm. Its state stays in its folder. */
export interface SoftwareTpm {
  readonly socket: string;
  stop(): Promise<void>;
}

async function start(folder: string, words: readonly string[], socket: string) {
  mkdirSync(folder, { recursive: true });
  const child: ChildProcess = spawn(
    'swtpm',
    ['socket', '--tpm2', '--tpmstate', `dir=${folder}`, ...words],
    { stdio: 'ignore' },
  );
  const exit = new Promise<void>((resolve) => child.once('exit', () => resolve()));
  while (!existsSync(socket)) await new Promise((resume) => setTimeout(resume, 50));
  const stop = async (): Promise<void> => {
    child.kill('SIGTERM');
    await exit;
  };
  return { socket, stop };
}

/** For QEMU, which starts it through its control channel. */
export function startControlledTpm(folder: string): Promise<SoftwareTpm> {
  const socket = join(folder, 'control');
  return start(folder, ['--ctrl', `type=unixio,path=${socket}`], socket);
}

/** For a program that speaks to it as to a device. */
export function startServedTpm(folder: string): Promise<SoftwareTpm> {
  const socket = join(folder, 'commands');
  const words = [
    '--server',
    `type=unixio,path=${socket}`,
    '--flags',
    'not-need-init,startup-clear',
  ];
  return start(folder, words, socket);
}

/** One connection: a command goes out whole, its response comes back by the length in its header. */
export async function openServedTpm({ socket }: SoftwareTpm): Promise<Tpm> {
  const connection = await new Promise<Socket>((resolve, reject) => {
    const opening = connect(socket, () => resolve(opening));
    opening.once('error', reject);
  });
  return {
    transact: (command) =>
      new Promise((resolve, reject) => {
        let response = Buffer.alloc(0);
        const gather = (part: Buffer): void => {
          response = Buffer.concat([response, part]);
          if (response.length < 10 || response.length < response.readUInt32BE(2)) return;
          connection.off('data', gather);
          resolve(new Uint8Array(response));
        };
        connection.on('data', gather);
        connection.once('error', reject);
        connection.write(command);
      }),
    close: () => new Promise((resolve) => connection.end(resolve)),
  };
}
