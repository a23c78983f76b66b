import { constants } from 'node:fs';
import { access, open, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import { makeFolders } from '../system/make-folders.js';
import { isReplaced } from '../system/replace-file.js';
import { EXIT } from './exit-code.js';
import { reasonOf } from './input-files.js';
import type { Io } from './io.js';

const NO_FOLDER = 'there is no such folder';

function unwritable(path: string, error: unknown): AssayError {
  const { code } = error as NodeJS.ErrnoException;
  const why = code === 'ENOENT' || code === 'ENOTDIR' ? NO_FOLDER : reasonOf(error);
  return new AssayError('USAGE_FILE', `cannot write ${path}: ${why}`, error);
}

/**
 * What a command writes beside its result has a path: throws
 * USAGE_OPTION for `-`, by which others mean a stream.
 */
export function refuseStream(path: string): void {
  if (path !== '-') return;
  throw new AssayError(
    'USAGE_OPTION',
    'expected the path of an output, not -: standard output has the result (./- is a file of that name)',
  );
}

/**
 * Writes a file. Where not all of it can be written, what was there before stays; nothing is left of what can
 * only be written through, such as a file with two names. Throws USAGE_FILE or USAGE_OPTION.
 * @param flushed whether a new file is on the disk before it has its name.
 */
export async function writeOutput(
  path: string,
  bytes: Uint8Array | string,
  flushed = true,
): Promise<void> {
  refuseStream(path);
  try {
    if (await isReplaced(path, bytes, flushed)) return;
    const file = await open(path, 'w');
    try {
      await file.writeFile(bytes);
    } catch (error) {
      if ((await file.stat()).isFile()) await rm(path);
      throw error;
    } finally {
      await file.close();
    }
  } catch (error) {
    throw unwritable(path, error);
  }
}

/** A file to write of an answer. */
export interface AnswerFile {
  readonly path: string;
  /** Throws where the format cannot hold the answer. */
  readonly bytes: () => Uint8Array;
}

/**
 * Writes each of these files, also where one before it fails: an answer is had once, and is not lost with
 * a file. Returns the files that were written, and why others were not.
 */
export async function writeAnswerFiles<T extends AnswerFile>(
  files: readonly T[],
): Promise<{ readonly written: readonly T[]; readonly failures: readonly unknown[] }> {
  const written: T[] = [];
  const failures: unknown[] = [];
  for (const file of files) {
    try {
      await writeOutput(file.path, file.bytes());
      written.push(file);
    } catch (error) {
      failures.push(error);
    }
  }
  return { written, failures };
}

/** Says which files of an answer were not written. An answer that did not hold keeps its exit code. */
export function reportUnwritten(io: Io, failures: readonly unknown[]): void {
  const [first, ...others] = failures;
  if (first === undefined) return;
  for (const error of others) io.note(error instanceof Error ? error.message : String(error));
  const { exitCode } = io;
  io.fail(first);
  if (exitCode !== EXIT.affirmed) io.exitCode = exitCode;
}

/** Makes a folder, and those above it, unless it is there; throws USAGE_FILE or USAGE_OPTION. */
export async function makeFolder(path: string): Promise<void> {
  refuseStream(path);
  try {
    await makeFolders(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'EEXIST' || code === 'ENOTDIR' ? 'there is a file' : reasonOf(error);
    throw new AssayError('USAGE_FILE', `cannot make the folder ${path}: ${why}`, error);
  }
}

/** What one regular file has in common under all its names, there or not; undefined for a device or a pipe. */
async function identityOf(path: string): Promise<string | undefined> {
  const known = await stat(path).catch(() => undefined);
  if (known === undefined) return join(await realpath(dirname(path)), basename(path));
  return known.isFile() ? `${known.dev}:${known.ino}` : undefined;
}

/**
 * Throws USAGE_OPTION if two of these files, whose folders
 * are there, are one: of two outputs one would be lost.
 */
export async function requireDistinct(paths: readonly string[]): Promise<void> {
  const outputs = new Map<string, string>();
  for (const path of paths) {
    const identity = await identityOf(path);
    if (identity === undefined) continue;
    const other = outputs.get(identity);
    if (other !== undefined) {
      const said = other === path ? `${path} twice` : `${other} and ${path}, which are one`;
      throw new AssayError(
        'USAGE_OPTION',
        `expected a file of its own for each output, not ${said}`,
      );
    }
    outputs.set(identity, path);
  }
}

/**
 * Throws USAGE_FILE if these files cannot be written, as far as that is known beforehand, and USAGE_OPTION
 * as `refuseStream` and `requireDistinct` do: for commands whose work would be lost otherwise. Undefined ones
 * are left out.
 */
export async function requireWritable(paths: readonly (string | undefined)[]): Promise<void> {
  const named = paths.filter((path) => path !== undefined);
  for (const path of named) {
    refuseStream(path);
    const known = await stat(path).catch(() => undefined);
    try {
      if (known?.isDirectory() === true) throw new Error('it is a directory');
      await access(known === undefined ? dirname(path) : path, constants.W_OK);
      if (known === undefined && !(await stat(dirname(path))).isDirectory()) {
        throw new Error(NO_FOLDER);
      }
    } catch (error) {
      throw unwritable(path, error);
    }
  }
  await requireDistinct(named);
}
