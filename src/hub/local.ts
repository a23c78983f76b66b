import { createHash } from 'node:crypto';
import { type FileHandle, lstat, mkdir, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import { errnoOf, isMissing } from '../system/errno.js';
import { makeFolders } from '../system/make-folders.js';
import { openUnlinked, readFirst } from '../system/open-regular.js';
import { type Digest, digestFrom } from './digest.js';

const PART = 1024 * 1024;

/** Size and digest of a file's content. */
export interface Content {
  readonly size: number;
  readonly digest: Digest;
}

/** What is read of a file; undefined where it is not there. */
export async function ifPresent<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if (isMissing(error)) return undefined;
    throw error;
  }
}

/** Gives the operating system's errors (no space, no permission, no such folder) a code: HUB_FILE. */
export async function withFileErrors<T>(what: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    const { syscall, code } = error as NodeJS.ErrnoException;
    if (error instanceof AssayError || syscall === undefined) throw error;
    throw new AssayError('HUB_FILE', `${what} failed: ${code ?? 'unknown'} in ${syscall}`, error);
  }
}

/** Opens a regular file that is no link, neither symbolic nor hard; throws HUB_FILE. */
export async function openPlain(path: string): Promise<FileHandle> {
  const opened = await openUnlinked(path).catch((error: unknown) => {
    throw new AssayError('HUB_FILE', `cannot read ${path}`, error);
  });
  if (opened !== null) return opened.file;
  throw new AssayError('HUB_FILE', `expected ${path} to be a regular file with one name`);
}

/** Reads a plain file of at most `limit` bytes, once; throws HUB_FILE, HUB_SIZE. */
export async function readPlain(path: string, limit: number): Promise<Uint8Array> {
  const file = await openPlain(path);
  try {
    const { size } = await file.stat();
    if (size > limit) {
      throw new AssayError('HUB_SIZE', `expected ${path} to have at most ${limit} bytes`);
    }
    return await readFirst(file, size);
  } finally {
    await file.close();
  }
}

/** Parts of an open file, from its start. */
export async function* partsOf(file: FileHandle, start = 0): AsyncGenerator<Uint8Array> {
  for (let position = start; ; ) {
    const buffer = Buffer.allocUnsafe(PART);
    const { bytesRead } = await file.read(buffer, 0, PART, position);
    if (bytesRead === 0) return;
    position += bytesRead;
    yield buffer.subarray(0, bytesRead);
  }
}

/** Hashes a plain file as it streams. */
export async function measureFile(path: string): Promise<Content> {
  const file = await openPlain(path);
  try {
    const hash = createHash('sha256');
    let size = 0;
    for await (const part of partsOf(file)) {
      hash.update(part);
      size += part.length;
    }
    return { size, digest: digestFrom(hash.digest()) };
  } finally {
    await file.close();
  }
}

/** True when a plain file with exactly this content is there. */
export async function holds(path: string, content: Content): Promise<boolean> {
  try {
    if ((await lstat(path)).size !== content.size) return false;
    return (await measureFile(path)).digest === content.digest;
  } catch (error) {
    if (isMissing(error) || (error instanceof AssayError && error.code === 'HUB_FILE'))
      return false;
    throw error;
  }
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(path, 'r');
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}

/** Gives a finished, synchronised file its name; the name survives a crash. */
export async function settle(temporary: string, path: string): Promise<void> {
  await rename(temporary, path);
  await syncDirectory(dirname(path));
}

/**
 * Writes a small file so that its name has either the old content or the new. Callers hold the lock
 * of the folder; what a crash leaves is called `path.new`, and the next writer removes it, like a link
 * that somebody planted there to have another file overwritten.
 */
export async function writeWhole(path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.new`;
  try {
    await rm(temporary, { force: true });
    const file = await open(temporary, 'wx', 0o644);
    try {
      await file.writeFile(bytes);
      await file.sync();
    } finally {
      await file.close();
    }
    await settle(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Makes the folders of a package path below `root`, none of which may be a link. */
export async function makeParents(root: string, path: string): Promise<void> {
  await makeFolders(root);
  let folder = root;
  for (const segment of path.split('/').slice(0, -1)) {
    folder = join(folder, segment);
    try {
      await mkdir(folder);
    } catch (error) {
      if (errnoOf(error) !== 'EEXIST') throw error;
    }
    if (!(await lstat(folder)).isDirectory()) {
      throw new AssayError('HUB_FILE', `expected ${folder} to be a folder and no link`);
    }
  }
}
