import { fromUtf8 } from '../../attestation/encoding/bytes.js';
import { parseYaml } from '../document.js';
import { readInput } from './files.js';
import type { Io } from './io.js';

const LIMIT = 4 * 1024 * 1024;

/** Reads a policy file, YAML or JSON. Throws USAGE_FILE. */
export async function readDocument(io: Io, path: string): Promise<unknown> {
  return parseYaml(fromUtf8(await readInput(io, path, LIMIT)), path, 'USAGE_FILE');
}
