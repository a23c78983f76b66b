import { homedir, userInfo } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import type { Environment } from './environment.js';

/** This user's home, also where HOME is empty; throws CONFIG_ENVIRONMENT for a user without one. */
export function homeFolder(): string {
  try {
    return homedir() || userInfo().homedir;
  } catch (cause) {
    throw new AssayError('CONFIG_ENVIRONMENT', 'this user has no home folder: set HOME', cause);
  }
}

/**
 * Where Assay keeps what can be made again: `assay` in XDG_CACHE_HOME, else in ~/.cache. A relative
 * XDG_CACHE_HOME is none (XDG Base Directory Specification 0.8, Basics).
 */
export function cacheFolder(env: Environment, name: string): string {
  const given = env['XDG_CACHE_HOME'] ?? '';
  return join(isAbsolute(given) ? given : join(homeFolder(), '.cache'), 'assay', name);
}
