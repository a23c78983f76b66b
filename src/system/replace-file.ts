import { randomUUID } from 'node:crypto';
import { lstat, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { errnoOf } from './errno.js';

/** How a file is replaced. */
interface Replacement {
  /** Permissions; those of any new file unless given. */
  readonly mode?: number | undefined;
  /** Whether it is on the disk before it has its name: a loss of power leaves it empty otherwise. */
  readonly flushed?: boolean;
}

/**
 * Writes a file so that its name has all of it, or what it had before. Processes can share the folder; what one
 * that ends meanwhile leaves there is called `.assay-` and a UUID. Rejects with the file system's own error.
 */
export async function replaceFile(
  path: string,
  bytes: Uint8Array | string,
  { mode, flushed = false }: Replacement = {},
): Promise<void> {
  const draft = join(dirname(path), `.assay-${randomUUID()}`);
  try {
    const file = await open(draft, 'wx');
    try {
      if (mode !== undefined) await file.chmod(mode);
      await file.writeFile(bytes);
      if (flushed) await file.datasync();
    } finally {
      await file.close();
    }
    await rename(draft, path);
  } catch (error) {
    // A disk that is full would fill with drafts, each under a name of its own.
    await rm(draft, { force: true });
    throw error;
  }
}

/** What a file cannot be replaced for that can be written: of a folder that is not ours, or a mount of its own. */
const UNREPLACEABLE: readonly (string | undefined)[] = [
  'EACCES',
  'EPERM',
  'EROFS',
  'EBUSY',
  'EXDEV',
];

/** Names of what somebody has open, such as /dev/stdout: whoever has it would be left with the file before. */
const OPENED = /^\/(dev|proc)\//;

/** Where a file is, or is to be, in whose place another can be put; undefined for what is to be written through. */
async function replaceable(path: string): Promise<{ path: string; mode?: number } | undefined> {
  if (OPENED.test(resolve(path))) return undefined;
  const known = await stat(path).catch(() => undefined);
  if (known === undefined) {
    const isDangling = await lstat(path).then(
      () => true,
      () => false,
    );
    return isDangling ? undefined : { path };
  }
  const isOurs = known.isFile() && known.nlink === 1 && known.uid === process.geteuid?.();
  return isOurs ? { path: await realpath(path), mode: known.mode & 0o7777 } : undefined;
}

/**
 * Replaces a regular file of this user's, or makes it; false, and nothing is done, for what can only be written
 * through. Through a symbolic link, what it leads to. Rejects as `replaceFile`.
 */
export async function isReplaced(
  path: string,
  bytes: Uint8Array | string,
  flushed: boolean,
): Promise<boolean> {
  const known = await replaceable(path);
  if (known === undefined) return false;
  try {
    await replaceFile(known.path, bytes, { mode: known.mode, flushed });
    return true;
  } catch (error) {
    if (UNREPLACEABLE.includes(errnoOf(error))) return false;
    throw error;
  }
}
