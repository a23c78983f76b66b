import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** The repository's root, from the compiled test. */
export const repositoryRoot = fileURLToPath(new URL('../../', import.meta.url));

/** Where the tests' simulated vendors keep their keys: RSA-4096 keys take seconds to make. */
export const simulatorKeys = join(repositoryRoot, 'build', '.simulator-keys');

const directory = process.env['ASSAY_VECTORS'] ?? join(repositoryRoot, '..', 'shared', 'vectors');

/** For `test(name, { skip: withoutVectors }, …)`: a message where the genuine evidence is absent. */
export const withoutVectors: string | false = existsSync(directory)
  ? false
  : `genuine evidence not found in ${directory}: set ASSAY_VECTORS to its folder`;

/** Names of the genuine cases of a kind; empty where the folder is absent. */
export function vectorCases(kind: 'snp' | 'tdx'): string[] {
  return withoutVectors === false ? readdirSync(join(directory, kind)).sort() : [];
}

/** Where a file of a genuine case is. */
export function vectorPath(kind: 'snp' | 'tdx', name: string, file: string): string {
  return join(directory, kind, name, file);
}

/** A file of a genuine case. */
export function vectorFile(kind: 'snp' | 'tdx', name: string, file: string): Buffer {
  return readFileSync(vectorPath(kind, name, file));
}
