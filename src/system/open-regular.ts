import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, realpath } from 'node:fs/promises';
import { join } from 'node:path';

/** A regular file that is open to be read, and what it was when it was opened. */
export interface OpenedFile {
  readonly file: FileHandle;
  readonly stats: Stats;
}

/**
 * Opens a regular file to be read; null for anything else, such as a FIFO, whose writer is not waited for.
 * Rejects as `open`. `flags` are further ones, such as O_NOFOLLOW.
 */
export async function openRegular(path: string, flags = 0): Promise<OpenedFile | null> {
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK | flags);
  const stats = await file.stat();
  if (stats.isFile()) return { file, stats };
  await file.close();
  return null;
}

/**
 * Opens a regular file that has one name: another name is another way to change it. Null for anything else.
 * Rejects as `open`, and so for a symbolic link.
 */
export async function openUnlinked(path: string): Promise<OpenedFile | null> {
  const opened = await openRegular(path, constants.O_NOFOLLOW);
  if (opened === null || opened.stats.nlink === 1) return opened;
  await opened.file.close();
  return null;
}

/**
 * Where a file below a folder lies; undefined where it is not there, or a link within the folder leads to it.
 * Those on the way to the folder are followed; rejects as `realpath` where it is not there.
 */
export async function unlinkedPath(folder: string, location: string): Promise<string | undefined> {
  const expected = join(await realpath(folder), location);
  const actual = await realpath(expected).catch(() => undefined);
  return actual === expected ? expected : undefined;
}

/** Largest single read: Node ends the process at 2 GiB. */
const READ = 2 ** 30;

/** The first `size` bytes of a file, or all that it has. */
export async function readFirst(file: FileHandle, size: number): Promise<Uint8Array<ArrayBuffer>> {
  const bytes = new Uint8Array(size);
  let length = 0;
  while (length < size) {
    const part = Math.min(size - length, READ);
    const { bytesRead } = await file.read(bytes, length, part, length);
    if (bytesRead === 0) break;
    length += bytesRead;
  }
  return bytes.subarray(0, length);
}

/**
 * Reads a regular file of at most `limit` bytes, whole: one that was found in a folder, which others may write
 * to. Rejects as `open`, and for anything else with an error that says what was expected.
 */
export async function readRegular(path: string, limit: number): Promise<Uint8Array<ArrayBuffer>> {
  const opened = await openRegular(path);
  if (opened === null) throw new Error(`expected ${path} to be a regular file`);
  const { file, stats } = opened;
  try {
    if (stats.size <= limit) return await readFirst(file, stats.size);
    throw new Error(`expected ${path} to have at most ${limit} bytes, not ${stats.size}`);
  } finally {
    await file.close();
  }
}
