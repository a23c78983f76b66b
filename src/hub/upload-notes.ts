import { createHash } from 'node:crypto';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolders } from '../system/make-folders.js';
import type { Digest } from './digest.js';

const MAX_LENGTH = 16 * 1024;

/**
 * Where unfinished uploads go on: one small file each, readable by its owner alone, since a
 * location can carry a capability. Losing a note costs time and nothing else, so nothing here fails.
 */
export class UploadNotes {
  readonly #directory: () => string;

  /** @param directory is asked at each use; where it throws, there are no notes. */
  constructor(directory: () => string) {
    this.#directory = directory;
  }

  #path(start: URL, digest: Digest): string {
    const name = createHash('sha256').update(`${start.href}\n${digest}`).digest('hex');
    return join(this.#directory(), name);
  }

  /** The noted location; only ever on the registry that the upload is for. */
  async find(start: URL, digest: Digest): Promise<URL | undefined> {
    try {
      const text = await readFile(this.#path(start, digest), 'utf8');
      if (text.length > MAX_LENGTH) return undefined;
      const location = new URL(text);
      return location.origin === start.origin ? location : undefined;
    } catch {
      return undefined;
    }
  }

  async note(start: URL, digest: Digest, location: URL): Promise<void> {
    try {
      await makeFolders(this.#directory(), 0o700);
      await writeFile(this.#path(start, digest), location.href, { mode: 0o600 });
    } catch {}
  }

  async forget(start: URL, digest: Digest): Promise<void> {
    try {
      await rm(this.#path(start, digest), { force: true });
    } catch {}
  }
}
