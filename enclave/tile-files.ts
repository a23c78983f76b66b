import { readFileSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { HEAD_FILE, tilePath } from '../attestation/receipt/tile-path.js';
import type { TileArchive } from './log.js';

const HASH = 32;

/**
 * Tiles and the newest tree head as files, laid out as tlog-tiles lays them out, for whoever publishes
 * the log. They hold digests of salted commitments and nothing else. The disk is the host's: what is
 * read back is checked against the hashes in memory, so a host can withhold proofs but not change them.
 * A file appears whole or not at all (written aside, then renamed); it is durable when the system
 * flushes it: a crash ends the epoch and with it the log.
 */
export class TileFiles implements TileArchive {
  readonly #directory: string;
  readonly #onError: (error: unknown) => void;
  #pending: Promise<void> = Promise.resolve();

  /** @param onError told of what could not be written; proofs from it are then refused. */
  constructor(directory: string, onError: (error: unknown) => void) {
    this.#directory = directory;
    this.#onError = onError;
  }

  write(level: number, index: number, hashes: Uint8Array): void {
    const path = join(this.#directory, tilePath(level, index, hashes.length / HASH));
    this.#pending = this.#pending.then(() => put(path, hashes)).catch(this.#onError);
  }

  read(index: number): Uint8Array | undefined {
    try {
      return new Uint8Array(readFileSync(join(this.#directory, tilePath(0, index))));
    } catch {
      return undefined;
    }
  }

  /** Writes the newest head, beside the tiles that it covers. */
  writeHead(head: Uint8Array): void {
    const path = join(this.#directory, HEAD_FILE);
    this.#pending = this.#pending.then(() => put(path, head)).catch(this.#onError);
  }

  /** Resolves once everything was written. */
  flushed(): Promise<void> {
    return this.#pending;
  }
}

async function put(path: string, bytes: Uint8Array): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const aside = `${path}.new`;
  await writeFile(aside, bytes);
  await rename(aside, path);
}
