import { createHash, randomUUID } from 'node:crypto';
import {
  type FileHandle,
  link,
  open,
  readFile,
  readlink,
  rm,
  stat,
  writeFile,
} from 'node:fs/promises';
import { hostname } from 'node:os';
import { AssayError } from '../../attestation/encoding/error.js';
import { errnoOf } from '../system/errno.js';
import { openRegular, readFirst } from '../system/open-regular.js';
import { ifPresent } from './local.js';

/** Milliseconds between two signs of life of a holder, and without one until it counts as gone. */
const BEAT = 60_000;
const LEASE = 10 * BEAT;

/** Bytes of a lock that are read: what a lock says is shorter. */
const MAX_TEXT = 4096;

/** What a file system without hard links answers: FAT, SMB, most of those that are object stores. */
const LINKLESS: readonly (string | undefined)[] = ['EPERM', 'ENOSYS', 'ENOTSUP', 'EOPNOTSUPP'];

/** What the locks of this process say. One that names this process and is none of them is a dead one's. */
const held = new Set<string>();

/** Where a process id means something: a machine from boot to boot, and a PID namespace there. */
async function currentPlace(): Promise<string> {
  const boot = await readFile('/proc/sys/kernel/random/boot_id', 'utf8').catch(() => '');
  const namespace = await readlink('/proc/self/ns/pid').catch(() => '');
  return `${hostname()}/${boot}/${namespace}`.replaceAll(/\s/g, '');
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return errnoOf(error) === 'EPERM';
  }
}

/** What a lock says; undefined where there is none. Throws HUB_FILE for what is no file. */
async function read(path: string): Promise<string | undefined> {
  const opened = await ifPresent(openRegular(path));
  if (opened === undefined) return undefined;
  if (opened === null) {
    throw new AssayError('HUB_FILE', `expected the lock ${path} to be a regular file`);
  }
  try {
    const { file, stats } = opened;
    const bytes = await readFirst(file, Math.min(stats.size, MAX_TEXT));
    return Buffer.from(bytes).toString('utf8');
  } finally {
    await opened.file.close();
  }
}

/** True for what makes a file of its own, false where there is one already. */
async function isFirst(make: () => Promise<unknown>): Promise<boolean> {
  try {
    await make();
    return true;
  } catch (error) {
    if (errnoOf(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * True where the holder of a lock is gone: by its process id where that means something, elsewhere by the
 * age of its last sign of life. `own` was made just now: both times are of the file system's clock.
 */
async function isAbandoned(path: string, text: string, own: FileHandle): Promise<boolean> {
  if (held.has(text)) return false;
  const [, pid, place] = /^(\d{1,10}) (\S+) /.exec(text) ?? [];
  if (pid !== undefined && place === (await currentPlace())) {
    return Number(pid) === process.pid || !isAlive(Number(pid));
  }
  const lock = await ifPresent(stat(path));
  return lock === undefined || (await own.stat()).mtimeMs - lock.mtimeMs > LEASE;
}

/**
 * Removes an abandoned lock. Every lock says something else, and one process at a time may remove one that
 * says this: whoever judged it as well, and comes too late, finds another's lock and leaves it alone. The
 * claim to do so is a lock itself: that of a process that ended with it is taken over as well.
 */
async function removeAbandoned(
  path: string,
  text: string,
  own: string,
  file: FileHandle,
): Promise<void> {
  const claim = `${path}.${createHash('sha256').update(text).digest('hex')}`;
  if (!(await take(claim, own, file))) return;
  try {
    if ((await read(path)) === text) await rm(path, { force: true });
  } finally {
    await rm(claim, { force: true });
  }
}

/**
 * Gives the lock that lies at `own` its name, content and all: no crash leaves one that says nothing, unless the
 * file system has no hard links. Rejects with EEXIST where another has the name.
 */
async function name(own: string, path: string): Promise<void> {
  try {
    await link(own, path);
  } catch (error) {
    if (!LINKLESS.includes(errnoOf(error))) throw error;
    await writeFile(path, await readFile(own), { flag: 'wx' });
  }
}

/** Gives the lock that lies at `own` the name of a lock; false where another has it, and is not gone. */
async function take(path: string, own: string, file: FileHandle): Promise<boolean> {
  if (await isFirst(() => name(own, path))) return true;
  const text = await read(path);
  if (text !== undefined) {
    if (!(await isAbandoned(path, text, file))) return false;
    await removeAbandoned(path, text, own, file);
  }
  return isFirst(() => name(own, path));
}

/**
 * Says now and then what a lock says. A touch that fails is made up for by the next; without any, the lock is
 * another's after the lease.
 */
async function giveSignsOfLife(path: string, text: string): Promise<() => Promise<void>> {
  const lock = await open(path, 'r+');
  const beat = setInterval(() => {
    lock
      .write(text, 0)
      .then(() => lock.datasync())
      .catch(() => {});
  }, BEAT).unref();
  return async () => {
    clearInterval(beat);
    await lock.close();
  };
}

/**
 * Runs something while no other process writes to the same folder. The lock of a process that is gone is
 * taken over: at once where process ids tell, and ten minutes after its last sign of life where it was on
 * another machine or in another container. Throws HUB_LOCKED, and HUB_FILE where the lock is no file.
 */
export async function withLock<T>(path: string, work: () => Promise<T>): Promise<T> {
  const id = randomUUID();
  const text = `${process.pid} ${await currentPlace()} ${id}`;
  const own = `${path}.${id}`;
  const file = await open(own, 'wx', 0o644);
  held.add(text);
  try {
    await file.writeFile(text);
    if (!(await take(path, own, file))) {
      throw new AssayError(
        'HUB_LOCKED',
        `expected nobody else to write here: ${path} names the process that does (remove it if there is none)`,
      );
    }
    let stop = async (): Promise<void> => {};
    try {
      await rm(own);
      stop = await giveSignsOfLife(path, text);
      return await work();
    } finally {
      await stop();
      if ((await read(path)) === text) await rm(path, { force: true });
    }
  } finally {
    await file.close();
    await rm(own, { force: true });
    held.delete(text);
  }
}
