import { readdir, readFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** A file of the initrd. Directories are made from the paths. */
export interface ImageFile {
  /** Absolute, without `.` and `..`. */
  readonly path: string;
  readonly data: Uint8Array;
  readonly executable: boolean;
}

/** One file of the build machine. */
export async function file(from: string, to: string, executable = false): Promise<ImageFile> {
  return { path: to, data: await readFile(from), executable };
}

/** Every matching file under a folder. */
export async function folder(from: string, to: string, pattern = /(?:)/): Promise<ImageFile[]> {
  const entries = await readdir(from, { recursive: true, withFileTypes: true });
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => relative(from, join(entry.parentPath, entry.name)))
    .filter((path) => pattern.test(path))
    .sort();
  return Promise.all(paths.map((path) => file(join(from, path), `${to}/${path}`)));
}
