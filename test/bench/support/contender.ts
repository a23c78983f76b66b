import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { repositoryRoot } from '../../vectors.js';
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

/** Starts `peers/python_server.py` in an interpreter that has its requirements. */
export async function startPython(
  interpreter: string,
  models: readonly { readonly name: string; readonly path: string }[],
): Promise<Contender> {
  const script = join(repositoryRoot, 'test', 'bench', 'peers', 'python_server.py');
  const child = spawn(interpreter, [script, ...models.map(({ name, path }) => `${name}=${path}`)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const [line] = (await once(child.stdout, 'data')) as [Buffer];
  return {
    name: 'Python: grpcio, onnxruntime',
    target: `http://127.0.0.1:${Number(line.toString())}`,
    usage: async () => ({ rss: Number.NaN, cpu: Number.NaN }),
    stop: async () => {
      child.stdin.end();
      await once(child, 'exit');
    },
  };
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
