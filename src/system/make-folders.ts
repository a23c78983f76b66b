import { mkdir, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { errnoOf } from './errno.js';

async function isFolder(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isDirectory();
  } catch {
    return false;
  }
}

async function makeFolder(path: string, mode: number | undefined): Promise<void> {
  try {
    await mkdir(path, { mode });
  } catch (error) {
    if (!(await isFolder(path))) throw error;
  }
}

/**
 * Makes a folder, and those above it, unless it is there; throws the file system's own error. The recursive
 * mkdir of Node never comes back from a place where there is a folder and none can be made, such as /proc.
 * @param mode of the folders that are made; the process's usual one unless given.
 */
export async function makeFolders(path: string, mode?: number): Promise<void> {
  try {
    await makeFolder(path, mode);
  } catch (error) {
    const above = dirname(path);
    if (errnoOf(error) !== 'ENOENT' || above === path) throw error;
    await makeFolders(above, mode);
    await makeFolder(path, mode);
  }
}
