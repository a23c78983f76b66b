/** Debian's docker-registry as a child process on this machine, and a proxy before it that fails. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort } from './free-port.js';

/** For `test(name, { skip: withoutRegistry }, …)`. */
export const withoutRegistry: string | false =
  spawnSync('docker-registry', ['--version']).status === 0
    ? false
    : 'docker-registry is not installed: apt-get install docker-registry';

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, '127.0.0.1');
  try {
    await once(socket, 'connect');
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

export interface RunningRegistry {
  readonly port: number;
  readonly host: string;
  /** Where a blob's bytes are, so that a test can spoil them. */
  readonly blobFile: (hex: string) => string;
  stop(): Promise<void>;
}

/** Starts a registry over `storage`; `environment` as in its configuration (`REGISTRY_AUTH_…`). */
export async function startDockerRegistry(
  storage: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<RunningRegistry> {
  const port = await freePort();
  const child: ChildProcess = spawn(
    'docker-registry',
    ['serve', '/etc/docker/registry/config.yml'],
    {
      stdio: 'ignore',
      env: {
        ...process.env,
        REGISTRY_HTTP_ADDR: `127.0.0.1:${port}`,
        REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: storage,
        REGISTRY_STORAGE_CACHE_BLOBDESCRIPTOR: 'inmemory',
        REGISTRY_AUTH: 'none',
        OTEL_TRACES_EXPORTER: 'none',
        ...environment,
      },
    },
  );
  const gone = once(child, 'exit');
  for (let waited = 0; !(await answers(port)); waited++) {
    if (child.exitCode !== null || waited > 200) throw new Error('docker-registry did not start');
    await delay(50);
  }
  return {
    port,
    host: `127.0.0.1:${port}`,
    blobFile: (hex) =>
      join(storage, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data'),
    stop: async () => {
      child.kill('SIGTERM');
      await gone;
    },
  };
}

/** What a proxy does to a request: an answer of its own, or a connection that ends. */
type Interference =
  | { readonly kind: 'answer'; readonly status: number; readonly headers?: Record<string, string> }
  | { readonly kind: 'cut-response'; readonly after: number }
  | { readonly kind: 'cut-request'; readonly after: number };

type Interfere = (method: string, path: string, earlier: number) => Interference | undefined;

export interface FailingProxy {
  readonly host: string;
  readonly seen: readonly string[];
  stop(): Promise<void>;
}

/** A proxy on this machine that passes everything on but what `interfere` says. */
export async function startFailingProxy(
  target: number,
  interfere: Interfere,
): Promise<FailingProxy> {
  const seen: string[] = [];
  const pass = (incoming: IncomingMessage, outgoing: ServerResponse): void => {
    const path = new URL(incoming.url ?? '/', 'http://proxy').pathname;
    const name = `${incoming.method} ${path}`;
    const fault = interfere(incoming.method ?? '', path, seen.filter((one) => one === name).length);
    seen.push(name);
    if (fault?.kind === 'answer') {
      incoming.resume();
      outgoing.writeHead(fault.status, fault.headers).end();
      return;
    }
    const { method, headers, url } = incoming;
    const onward = request({ host: '127.0.0.1', port: target, method, path: url, headers });
    const end = (): void => {
      onward.destroy();
      incoming.socket.destroy();
    };
    onward.on('error', end);
    onward.on('response', (response) => {
      outgoing.writeHead(response.statusCode ?? 502, response.headers);
      let sent = 0;
      response.on('data', (part: Buffer) => {
        sent += part.length;
        outgoing.write(part);
        if (fault?.kind === 'cut-response' && sent >= fault.after) end();
      });
      response.on('end', () => outgoing.end());
      response.on('error', end);
    });
    let received = 0;
    incoming.on('data', (part: Buffer) => {
      received += part.length;
      onward.write(part);
      if (fault?.kind === 'cut-request' && received >= fault.after) end();
    });
    incoming.on('end', () => onward.end());
    incoming.on('error', end);
  };
  const server = createServer(pass).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    host: `127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
