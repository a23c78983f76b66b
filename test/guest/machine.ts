import { type ChildProcess, spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { freePort } from '../forge/free-port.js';

/** A guest under QEMU's software emulation, with two of its ports on the loopback. */
export interface Machine {
  readonly servicePort: number;
  readonly agentPort: number;
  /** All that the guest wrote to its serial port. */
  console(): string;
  /** False once it has powered itself off, or could not be started. */
  running(): boolean;
  /** Resolves when the machine powers itself off; rejects after the time. */
  ended(milliseconds: number): Promise<string>;
  stop(): Promise<void>;
}

/**
 * What TCG has, without the promise of fast `rep movsb`: with it the kernel and the C library copy and
 * clear memory by that instruction, which TCG executes a byte at a time.
 */
const PROCESSOR = 'max,-erms,-fsrm';
const QEMU = process.env['QEMU'] ?? 'qemu-system-x86_64';

/** Milliseconds until the first byte from the serial port; a guest needs a few seconds. */
const SILENCE = 120_000;
const STARTS = 2;

/** A guest, and whether it came to write a byte: false where the emulator hangs before. */
interface Started {
  readonly machine: Machine;
  readonly spoke: Promise<boolean>;
}

/**
 * Starts a guest; `boot` is what differs: kernel and initrd, or firmware and a disk. An emulator has been seen
 * to hang before the guest wrote a byte, which says nothing of the guest: it is started again, once.
 */
export async function startMachine(name: string, boot: readonly string[]): Promise<Machine> {
  for (let start = 1; ; start++) {
    const { machine, spoke } = await tryMachine(name, boot);
    if (start === STARTS || (await spoke)) return machine;
    await machine.stop();
    console.warn(`${name}: the emulator hung before the guest wrote a byte, starting it again`);
  }
}

async function tryMachine(name: string, boot: readonly string[]): Promise<Started> {
  const [servicePort, agentPort] = [await freePort(), await freePort()];
  const forward = (from: number, to: number): string => `hostfwd=tcp:127.0.0.1:${from}-:${to}`;
  const child: ChildProcess = spawn(
    QEMU,
    [
      ...[
        '-accel',
        'tcg,thread=multi,tb-size=1024',
        '-machine',
        'q35',
        '-cpu',
        PROCESSOR,
        '-smp',
        '2',
      ],
      ...['-m', '1536M', '-nodefaults', '-no-user-config', '-display', 'none', '-monitor', 'none'],
      ...['-serial', 'stdio', '-no-reboot'],
      '-netdev',
      `user,id=net0,restrict=on,${forward(servicePort, 8443)},${forward(agentPort, 9000)}`,
      ...['-device', 'virtio-net-pci,netdev=net0,disable-legacy=on,romfile='],
      ...boot,
    ],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  );
  let output = '';
  let running = true;
  const gather = (part: Buffer): void => {
    output += part.toString('latin1');
  };
  child.stdout?.on('data', gather);
  child.stderr?.on('data', gather);
  const exit = new Promise<void>((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', () => {
      running = false;
      writeFileSync(`build/guest/${name}.console`, output);
      resolve();
    });
  });
  exit.catch(() => {
    running = false;
  });
  const spoke = new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), SILENCE);
    const settle = (): void => {
      clearTimeout(timer);
      resolve(true);
    };
    child.stdout?.once('data', settle);
    exit.then(settle, settle);
  });
  const machine: Machine = {
    servicePort,
    agentPort,
    console: () => output,
    running: () => running,
    ended: async (milliseconds) => {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<never>((_, reject) => {
        timer = setTimeout(() => reject(new Error(`still running:\n${output}`)), milliseconds);
      });
      await Promise.race([exit, late]).finally(() => clearTimeout(timer));
      return output;
    },
    stop: async () => {
      child.kill('SIGKILL');
      await exit.catch(() => undefined);
    },
  };
  return { machine, spoke };
}
