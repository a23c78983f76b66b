import { type ChildProcess, fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { Caller } from './rpc.js';
import type { ServingPorts } from './serving-process.js';

/** A server under measurement, in a process of its own. */
export interface Contender {
  readonly name: string;
  /** Where the load goes: `http://…` or `https://…` */
  readonly target: string;
  /** Calls beside the load, without TLS. */
  readonly caller: Caller;
  readonly usage: () => Promise<Usage>;
  readonly stop: () => Promise<void>;
}

interface Usage {
  /** Resident memory, bytes. */
  readonly rss: number;
  /** Processor time of the process, milliseconds. */
  readonly cpu: number;
  /** Full collections of the event loop's heap since the process began; 0 where it counts none. */
  readonly collections: number;
}

interface Reply {
  readonly rss: number;
  readonly collections: number;
  readonly cpu: { readonly user: number; readonly system: number };
}

/** What the child answers next; rejects if it ends instead. */
async function next(child: ChildProcess, source: NodeJS.EventEmitter, event: string) {
  const ended = new AbortController();
  try {
    return await Promise.race([
      once(source, event, { signal: ended.signal }),
      once(child, 'exit', { signal: ended.signal }).then(([code]) => {
        throw new Error(`a server under measurement ended with code ${code}`);
      }),
    ]);
  } finally {
    ended.abort();
  }
}

async function usageOf(child: ChildProcess): Promise<Usage> {
  child.send('usage');
  const [reply] = (await next(child, child, 'message')) as [Reply];
  const { rss, collections, cpu } = reply;
  return { rss, collections, cpu: (cpu.user + cpu.system) / 1000 };
}

/** Starts a Python server that prints its port, and its usage for each line that it reads. */
export async function startPython(
  name: string,
  interpreter: string,
  script: readonly string[],
  models: readonly { readonly name: string; readonly path: string }[],
): Promise<Contender> {
  const child = spawn(
    interpreter,
    [...script, ...models.map((model) => `${model.name}=${model.path}`)],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const line = async (): Promise<string> => {
    const [bytes] = (await next(child, child.stdout, 'data')) as [Buffer];
    return bytes.toString();
  };
  const target = `http://127.0.0.1:${Number(await line())}`;
  const caller = new Caller(target);
  return {
    name,
    target,
    caller,
    usage: async () => {
      child.stdin.write('usage\n');
      return { collections: 0, ...(JSON.parse(await line()) as Omit<Usage, 'collections'>) };
    },
    stop: async () => {
      caller.close();
      if (child.exitCode !== null) return;
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
  const [ports] = (await next(child, child, 'message')) as [ServingPorts];
  const target = `http://127.0.0.1:${ports.plaintext}`;
  const caller = new Caller(target);
  const plain = {
    name: { naive: 'naive', off: 'Assay, receipts off', on: 'Assay' }[mode],
    target,
    caller,
    usage: () => usageOf(child),
    stop: async (): Promise<void> => {
      caller.close();
      if (!child.connected) return;
      child.disconnect();
      await once(child, 'exit');
    },
  };
  if (mode !== 'on') return [plain];
  return [plain, { ...plain, name: 'Assay, TLS', target: `https://127.0.0.1:${ports.tls}` }];
}
