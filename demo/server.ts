import { type ChildProcess, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** An `assay serve` process of its own. */
export interface ServerProcess {
  readonly target: string;
  /** SIGTERM, and the exit code that followed. */
  stop(): Promise<number | null>;
}

const CLI = fileURLToPath(new URL('../src/cli/main.js', import.meta.url));

/** All that the server gets of this environment: an enclave refuses to start under much of what one may hold. */
const KEPT: ReadonlySet<string> = new Set(['PATH', 'HOME', 'TMPDIR']);

function readLog(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`assay serve ended with exit code ${code}`)));
    if (child.stdout === null) throw new TypeError('the log of assay serve is not piped');
    let port: number | undefined;
    createInterface(child.stdout).on('line', (text) => {
      const line = JSON.parse(text) as { port?: number; path?: string };
      port ??= line.port;
      if (port !== undefined && line.path !== undefined) resolve(port);
    });
  });
}

/**
 * Starts `assay serve` with this configuration; resolves once its log says that it serves and
 * that the simulator's root is written.
 */
export async function startServer(config: string, simulatorRoot: string): Promise<ServerProcess> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => KEPT.has(name)));
  const child = spawn(process.execPath, [CLI, 'serve', config, '--simulator-root', simulatorRoot], {
    env,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  process.once('exit', () => child.kill('SIGTERM'));
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
  const port = await readLog(child);
  return {
    target: `localhost:${port}`,
    stop: () => {
      child.kill('SIGTERM');
      return ended;
    },
  };
}
