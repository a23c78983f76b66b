import { createHash } from 'node:crypto';
import { constants } from 'node:fs';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fromUtf8 } from '../../attestation/encoding/bytes.js';
import { makeFolders } from '../system/make-folders.js';
import { readRegular } from '../system/open-regular.js';
import type { Digest } from './digest.js';

const MAX_LENGTH = 16 * 1024;
/** As `w`, but nobody is waited for who reads a FIFO. */
const WRITE = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | constants.O_NONBLOCK;

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
      const bytes = await readRegular(this.#path(start, digest), MAX_LENGTH);
      const location = new URL(fromUtf8(bytes));
      return location.origin === start.origin ? location : undefined;
    } catch {
      return undefined;
    }
  }

  async note(start: URL, digest: Digest, location: URL): Promise<void> {
    try {
      await makeFolders(this.#directory(), 0o700);
      await writeFile(this.#path(start, digest), location.href, { mode: 0o600, flag: WRITE });
    } catch {}
  }

  async forget(start: URL, digest: Digest): Promise<void> {
    try {
      await rm(this.#path(start, digest), { force: true });
    } catch {}
  }
}
