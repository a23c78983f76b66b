import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { ServingPorts } from './serving-process.js';

/** A server under measurement, in a process of its own. */
export interface Contender {
  readonly name: string;
  /** `http://…` or `https://…` */
  readonly target: string;
  readonly usage: () => Promise<Usage>;
  readonly stop: () => Promise<void>;
}

export interface Usage {
  /** Resident memory, bytes. */
  readonly rss: number;
  /** Processor time of the process, milliseconds. */
  readonly cpu: number;
}

interface Reply {
  readonly rss: number;
  readonly cpu: { readonly user: number; readonly system: number };
}

async function usageOf(child: ChildProcess): Promise<Usage> {
  child.send('usage');
  const [reply] = (await once(child, 'message')) as [Reply];
  return { rss: reply.rss, cpu: (reply.cpu.user + reply.cpu.system) / 1000 };
}

/** Starts a server that has the named models; `on` gives two contenders, without and with TLS. */
export async function start(
  mode: 'naive' | 'off' | 'on',
  models: readonly string[],
): Promise<readonly Contender[]> {
  const script = fileURLToPath(new URL('./serving-process.js', import.meta.url));
  const child = fork(script, [mode, models.join(',')]);
  const [ports] = (await once(child, 'message')) as [ServingPorts];
  const stop = async (): Promise<void> => {
    if (!child.connected) return;
    child.disconnect();
    await once(child, 'exit');
  };
  const plain = {
    name: { naive: 'naive', off: 'Assay, receipts off', on: 'Assay' }[mode],
    target: `http://127.0.0.1:${ports.plaintext}`,
    usage: () => usageOf(child),
    stop,
  };
  if (mode !== 'on') return [plain];
  return [plain, { ...plain, name: 'Assay, TLS', target: `https://127.0.0.1:${ports.tls}` }];
}
