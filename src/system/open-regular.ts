import { constants, type Stats } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';

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
