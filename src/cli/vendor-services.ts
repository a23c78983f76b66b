import { AssayError } from '../../attestation/encoding/error.js';
import { EndorsementSource } from '../../attestation/endorsements/source.js';
import { DiskCache, defaultCacheDirectory } from '../client/disk-cache.js';
import { readCertificates } from './endorsement-files.js';
import type { Io } from './io.js';

/** `--cache`, of every command that may ask a vendor. */
export const CACHE = [
  '--cache <directory>',
  'where fetched endorsements are kept (~/.cache/assay/endorsements)',
] as const;

/** What asks the vendors. Throws CONFIG_ENVIRONMENT for a user without a home where no folder is named. */
export function endorsementSource(io: Io, cache: string | undefined): EndorsementSource {
  const directory = cache ?? defaultCacheDirectory(io.call.env);
  return new EndorsementSource({ cache: new DiskCache(directory), now: () => io.now() });
}

/** The roots that `--root` names in place of a vendor's. */
export async function readRoots(
  io: Io,
  paths: readonly string[],
): Promise<{ readonly roots?: readonly Uint8Array[] }> {
  const named = await Promise.all(paths.map((path) => readCertificates(io, path)));
  return named.length === 0 ? {} : { roots: named.flat() };
}

/** An error of the evidence, which becomes a result; errors of the call are thrown. */
export function faultOfEvidence(error: unknown): AssayError {
  if (error instanceof AssayError && !/^(USAGE|POLICY|CONFIG)_/.test(error.code)) return error;
  throw error;
}
