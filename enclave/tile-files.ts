import { closeSync, constants, openSync, readSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AssayError } from '../attestation/encoding/error.js';
import { HEAD_FILE, TILE_WIDTH, tilePath } from '../attestation/receipt/tile-path.js';
import { errnoOf } from '../src/system/errno.js';
import { makeFolders } from '../src/system/make-folders.js';
import type { PublishedHead, TileArchive } from './log.js';

const HASH = 32;

/** Files that wait for a disk that cannot be written: 32 MiB of tiles, of a million entries. */
const BACKLOG = 4096;

/** More of them wait for a disk that is slow to flush: then it flushes when the system has it do so. */
const FLUSHED = BACKLOG / 8;

/** A file that is not written yet. */
interface Waiting {
  readonly bytes: Uint8Array;
  /** Of a head: the entries that it covers. */
  readonly size?: number;
}

interface TileFilesOptions {
  /**
   * Told that all that waited for a disk is written after all.
   * @param whole false where something was given up before.
   */
  readonly onMended?: (whole: boolean) => void;
  readonly now?: () => Date;
}

/**
 * Tiles and the newest tree head as files, laid out as tlog-tiles lays them out, for whoever publishes
 * the log. They hold digests of salted commitments and nothing else. The disk is the host's: what is
 * read back is checked against the hashes in memory, so a host can withhold proofs but not change them.
 * A file appears whole or not at all, and no head stands beside tiles that lack, also where the machine
 * loses its power, which ends the epoch and leaves its log to auditors: files are written in order, aside,
 * flushed while the disk keeps up, then renamed. One that cannot be written waits and is tried again with
 * the next.
 */
export class TileFiles implements TileArchive {
  readonly #directory: string;
  readonly #onError: (error: unknown) => void;
  readonly #onMended: (whole: boolean) => void;
  readonly #now: () => Date;
  /** By path, in the order in which they came. */
  readonly #waiting = new Map<string, Waiting>();
  /** By level: the incomplete tile that came last, until the next of its level. */
  readonly #incompleteTiles = new Map<number, string>();
  #writing: Promise<void> = Promise.resolve();
  /** Whether a flush is to come that will see all that waits. */
  #scheduled = false;
  #incomplete = false;
  /** Files that waited when the disk's failure was told last; 0 while it does not fail. */
  #told = 0;
  #published: PublishedHead = { size: 0, at: undefined };

  /**
   * @param onError told that the disk fails, each time that twice as much waits for it since, and of the first
   *   file that is given up.
   */
  constructor(
    directory: string,
    onError: (error: unknown) => void,
    { onMended = () => {}, now = () => new Date() }: TileFilesOptions = {},
  ) {
    this.#directory = directory;
    this.#onError = onError;
    this.#onMended = onMended;
    this.#now = now;
  }

  get published(): PublishedHead {
    return this.#published;
  }

  write(level: number, index: number, hashes: Uint8Array): void {
    const width = hashes.length / HASH;
    const path = tilePath(level, index, width);
    this.#supersede(level, path);
    if (width < TILE_WIDTH) this.#incompleteTiles.set(level, path);
    this.#put(path, { bytes: hashes });
  }

  /** An incomplete tile serves the head that it came with: where it still waits, both are replaced. */
  #supersede(level: number, path: string): void {
    const before = this.#incompleteTiles.get(level);
    this.#incompleteTiles.delete(level);
    if (before === undefined || before === path) return;
    if (this.#waiting.delete(before)) this.#waiting.delete(HEAD_FILE);
  }

  read(index: number): Uint8Array | undefined {
    const path = tilePath(0, index);
    try {
      return this.#waiting.get(path)?.bytes ?? readTile(join(this.#directory, path));
    } catch {
      return undefined;
    }
  }

  /** Writes the newest head, beside the tiles that it covers. */
  writeHead(head: Uint8Array, size: number): void {
    if (!this.#incomplete) this.#put(HEAD_FILE, { bytes: head, size });
  }

  /** Resolves once everything was written, or tried. */
  flushed(): Promise<void> {
    return this.#writing;
  }

  #put(path: string, file: Waiting): void {
    this.#waiting.delete(path);
    this.#waiting.set(path, file);
    if (!this.#scheduled) this.#writing = this.#writing.then(() => this.#flush());
    this.#scheduled = true;
    const [oldest] = this.#waiting.keys();
    if (this.#waiting.size <= BACKLOG || oldest === undefined) return;
    this.#waiting.delete(oldest);
    this.#waiting.delete(HEAD_FILE);
    if (!this.#incomplete) {
      this.#onError(
        new AssayError(
          'RECEIPT_TILES',
          `${oldest} is given up, since ${BACKLOG} files wait: no further head of this epoch is published`,
        ),
      );
    }
    this.#incomplete = true;
  }

  async #flush(): Promise<void> {
    this.#scheduled = false;
    // What comes meanwhile waits for the next flush: a busy log would never come to the head behind its tiles.
    for (const [path, file] of [...this.#waiting]) {
      const { bytes, size } = file;
      try {
        await put(join(this.#directory, path), bytes, this.#waiting.size <= FLUSHED);
      } catch (cause) {
        this.#failed(path, cause);
        return;
      }
      if (size !== undefined) this.#published = { size, at: this.#now() };
      if (this.#waiting.get(path) === file) this.#waiting.delete(path);
    }
    if (this.#told > 0) this.#onMended(!this.#incomplete);
    this.#told = 0;
  }

  /** A disk that is full stays so for long, while what comes tries it many times a second. */
  #failed(path: string, cause: unknown): void {
    const waiting = this.#waiting.size;
    if (waiting < 2 * this.#told) return;
    this.#told = waiting;
    const reason = errnoOf(cause) ?? 'unknown reason';
    this.#onError(
      new AssayError(
        'RECEIPT_TILES',
        `${path} cannot be written now: ${reason}; ${waiting} of at most ${BACKLOG} files wait in memory`,
        cause,
      ),
    );
  }
}

/** At most a whole tile of what has the name: of the host's FIFO, nobody who writes to it is waited for. */
function readTile(path: string): Uint8Array {
  const file = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    const bytes = new Uint8Array(TILE_WIDTH * HASH);
    return bytes.subarray(0, readSync(file, bytes));
  } finally {
    closeSync(file);
  }
}

/** A file made for it: through what the host left at that name, a link or a FIFO, nothing is written. */
async function openNew(path: string): Promise<FileHandle> {
  try {
    return await open(path, 'wx');
  } catch (error) {
    const code = errnoOf(error);
    if (code === 'ENOENT') await makeFolders(dirname(path));
    else if (code === 'EEXIST') await rm(path);
    else throw error;
    return open(path, 'wx');
  }
}

/** Few steps: each waits for a turn of an event loop that is busy when there is most to write. */
async function put(path: string, bytes: Uint8Array, flushed: boolean): Promise<void> {
  const aside = `${path}.new`;
  const file = await openNew(aside);
  try {
    await file.writeFile(bytes);
    if (flushed) await file.datasync();
  } finally {
    await file.close();
  }
  await rename(aside, path);
}
