import { randomUUID } from 'node:crypto';
import { link, readFile, rm, writeFile } from 'node:fs/promises';
import { AssayError } from '../../attestation/encoding/error.js';

/** Locks of this process. One that names this process and is not here is left from another boot. */
const held = new Set<string>();

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

async function isStale(path: string): Promise<boolean> {
  if (held.has(path)) return false;
  const text = await readFile(path, 'utf8').catch(() => '');
  const pid = /^\d{1,10}$/.test(text) ? Number(text) : undefined;
  return pid !== undefined && (pid === process.pid || !isAlive(pid));
}

/** Makes the lock with its content in one step: no crash leaves one that names nobody. */
async function acquire(path: string): Promise<boolean> {
  const own = `${path}.${randomUUID()}`;
  await writeFile(own, String(process.pid), { flag: 'wx' });
  try {
    await link(own, path);
    held.add(path);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  } finally {
    await rm(own, { force: true });
  }
}

/**
 * Runs something while no other process writes to the same folder. The lock of a process that ended
 * without giving it back is taken over. Throws HUB_LOCKED.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  let mine = await acquire(path);
  if (!mine && (await isStale(path))) {
    await rm(path, { force: true });
    mine = await acquire(path);
  }
  if (!mine) {
    throw new AssayError(
      'HUB_LOCKED',
      `expected nobody else to write here: ${path} names the process that does (remove it if there is none)`,
    );
  }
  try {
    return await work();
  } finally {
    held.delete(path);
    await rm(path, { force: true });
  }
}
