import { constants } from 'node:fs';
import { access, open, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { parseCrl } from '../../attestation/encoding/crl.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { pemBlocks, pemText } from '../../attestation/encoding/pem.js';
import { parseCertificate } from '../../attestation/encoding/x509.js';
import { type AmdEndorsements, amdEndorsements } from '../../attestation/endorsements/amd.js';
import { readCollateralText } from '../../attestation/endorsements/intel.js';
import { assertLimitsOfOutputs } from '../client/agreement.js';
import { parseTolerances, type Tolerances } from '../hub/package.js';
import { makeFolders } from '../system/make-folders.js';
import { isReplaced } from '../system/replace-file.js';
import { EXIT } from './exit-code.js';
import type { Io } from './io.js';

const MIB = 1024 * 1024;
/** Evidence, policies, certificates and proofs are small; models are read elsewhere. */
const DEFAULT_LIMIT = 64 * MIB;

function reason(error: unknown): string {
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOENT') return 'there is no such file';
  if (code === 'EISDIR') return 'it is a directory';
  if (code === 'EACCES') return 'permission was denied';
  return error instanceof Error ? error.message : String(error);
}

function tooLarge(path: string, limit: number): AssayError {
  return new AssayError(
    'USAGE_FILE',
    `${path} is larger than the ${limit} bytes that are accepted`,
  );
}

/** USAGE_FILE for what the system said when a file was opened or read. */
export function unreadable(path: string, error: unknown): AssayError {
  return new AssayError('USAGE_FILE', `cannot read ${path}: ${reason(error)}`, error);
}

/** Reads to the end or the limit: a device or a pipe has no size to ask for beforehand. */
async function readBounded(
  source: AsyncIterable<unknown>,
  name: string,
  limit: number,
): Promise<Uint8Array<ArrayBuffer>> {
  const parts: Uint8Array[] = [];
  let length = 0;
  for await (const part of source) {
    const bytes = part instanceof Uint8Array ? part : Buffer.from(String(part));
    length += bytes.length;
    if (length > limit) throw tooLarge(name, limit);
    parts.push(bytes);
  }
  return new Uint8Array(Buffer.concat(parts));
}

/**
 * Reads a file, or standard input for `-`. Throws USAGE_FILE, which names the path and the reason, or
 * USAGE_OPTION for standard input that is read already.
 */
export async function readInput(
  io: Io,
  path: string,
  limit = DEFAULT_LIMIT,
): Promise<Uint8Array<ArrayBuffer>> {
  if (path === '-') return readBounded(io.takeStdin(), 'standard input', limit);
  try {
    const file = await open(path, 'r');
    try {
      if ((await file.stat()).size > limit) throw tooLarge(path, limit);
      return await readBounded(file.createReadStream({ highWaterMark: MIB }), path, limit);
    } finally {
      await file.close();
    }
  } catch (error) {
    if (error instanceof AssayError) throw error;
    throw unreadable(path, error);
  }
}

const NO_FOLDER = 'there is no such folder';

function unwritable(path: string, error: unknown): AssayError {
  const { code } = error as NodeJS.ErrnoException;
  const why = code === 'ENOENT' || code === 'ENOTDIR' ? NO_FOLDER : reason(error);
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

/** Reads what a file that the caller named holds; what it cannot hold is USAGE_FILE, not a fault of evidence. */
export function asFile<T>(path: string, fault: string, parse: () => T): T {
  try {
    return parse();
  } catch (cause) {
    if (!(cause instanceof AssayError)) throw cause;
    throw new AssayError('USAGE_FILE', `${path} is ${fault}: ${cause.message}`, cause);
  }
}

/**
 * What goes wrong with one model of several names its path;
 * an error of the file's that does already is as it was.
 */
export async function ofModel<T>(path: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (cause) {
    if (!(cause instanceof AssayError)) throw cause;
    if (cause.code === 'USAGE_FILE' && cause.message.includes(path)) throw cause;
    throw new AssayError(cause.code, `${path}: ${cause.message}`, cause);
  }
}

/** AMD's certificates and lists of a file, PEM or DER; throws USAGE_FILE for another. */
function readAmdEndorsements(path: string, bytes: Uint8Array): AmdEndorsements {
  return asFile(path, 'no certificate and no revocation list', () => {
    const endorsements = amdEndorsements([bytes]);
    for (const der of endorsements.certificates) parseCertificate(der);
    for (const der of endorsements.crls) parseCrl(der);
    return endorsements;
  });
}

/** Returns the bytes of a file with AMD's certificates or lists, PEM or DER; throws USAGE_FILE for another. */
export function requireAmdEndorsements<T extends Uint8Array>(path: string, bytes: T): T {
  readAmdEndorsements(path, bytes);
  return bytes;
}

/**
 * Returns the bytes of a file with a revocation list of
 * AMD's, whatever else it has; throws USAGE_FILE for another.
 */
export function requireAmdCrl<T extends Uint8Array>(path: string, bytes: T): T {
  if (readAmdEndorsements(path, bytes).crls.length > 0) return bytes;
  throw new AssayError('USAGE_FILE', `${path} has no revocation list, which --crl names`);
}

/**
 * Returns the bytes of a file with Intel's collateral; throws USAGE_FILE for another. What it says is for
 * the appraisal to judge.
 */
export function requireCollateral<T extends Uint8Array>(path: string, bytes: T): T {
  return asFile(path, 'no collateral', () => {
    readCollateralText(bytes);
    return bytes;
  });
}

/** Makes a folder, and those above it, unless it is there; throws USAGE_FILE or USAGE_OPTION. */
export async function makeFolder(path: string): Promise<void> {
  refuseStream(path);
  try {
    await makeFolders(path);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    const why = code === 'EEXIST' || code === 'ENOTDIR' ? 'there is a file' : reason(error);
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

/**
 * The DER certificates of a file: every PEM block of it, or
 * the file itself as one DER value; throws USAGE_FILE.
 */
export async function readCertificates(io: Io, path: string): Promise<Uint8Array[]> {
  const bytes = await readInput(io, path, MIB);
  return asFile(path, 'no certificate in PEM or DER', () => {
    const blocks = pemBlocks(pemText(bytes) ?? '', 'CERTIFICATE');
    const certificates = blocks.length > 0 ? blocks : [bytes];
    for (const der of certificates) parseCertificate(der);
    return certificates;
  });
}

/** The publisher's `tolerances.json` that `--tolerances` names; throws USAGE_FILE. */
export async function readTolerancesFile(io: Io, path: string): Promise<Tolerances> {
  const bytes = await readInput(io, path);
  return asFile(path, 'no tolerances.json', () => parseTolerances(bytes));
}

/** Throws USAGE_FILE where what `--tolerances` names has limits for none of these outputs. */
export function requireLimitsOfOutputs(
  tolerances: Pick<Tolerances, 'outputs'>,
  outputs: readonly { readonly name: string }[],
): void {
  const names = outputs.map(({ name }) => name);
  assertLimitsOfOutputs(tolerances, names, 'USAGE_FILE', 'what --tolerances names');
}
