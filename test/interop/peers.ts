/**
 * What these tests need and npm has not got. Each is had or is not: a test of the latter is skipped with
 * the message given here, so that a machine without it, or without a way to its mirror, fails nothing.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import { fetchCurrent } from '../../enclave/image/packages.js';
import { repositoryRoot } from '../vectors.js';

/** The interpreter of the virtual environment that `make interop-packages` fills. */
export const python = process.env['INTEROP_PYTHON'] ?? '';
export const withoutPython: string | false = existsSync(python)
  ? false
  : 'INTEROP_PYTHON names no interpreter';

const goFolder = (name: string): string => join(repositoryRoot, 'test', 'interop', name);

/** Whether Go is not here, or cannot fetch what the program `test/interop/<name>` stands on. */
export function withoutGo(name: string): string | false {
  const { error, status } = spawnSync('go', ['mod', 'download'], {
    cwd: goFolder(name),
    timeout: 180_000,
  });
  if (status === 0) return false;
  const noGo = error !== undefined && 'code' in error && error.code === 'ENOENT';
  return noGo ? 'there is no Go here' : `Go cannot fetch the modules of ${name}`;
}

/** Compiles `test/interop/<name>`; returns its executable. */
export function buildGo(name: string): string {
  const folder = join(repositoryRoot, '.cache', 'interop');
  mkdirSync(folder, { recursive: true });
  const binary = join(folder, name);
  execFileSync('go', ['build', '-o', binary, '.'], { cwd: goFolder(name), stdio: 'inherit' });
  return binary;
}

/** Where Debian's current package is unpacked; `missing` says why it is not. */
export interface DebianPackage {
  readonly root: string;
  readonly missing: string | false;
}

/** A package of a Debian suite, through this machine's apt. */
export async function debianPackage(name: string, suite = 'sid'): Promise<DebianPackage> {
  try {
    const packages = join(repositoryRoot, '.cache', 'packages');
    return { root: await fetchCurrent(name, suite, packages), missing: false };
  } catch (error) {
    if (!(error instanceof AssayError && error.code === 'CONFIG_IMAGE_MIRROR')) throw error;
    return { root: '', missing: error.message };
  }
}
