import { parseDocument } from 'yaml';
import { fromUtf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { readInput } from './files.js';
import type { Io } from './io.js';

const LIMIT = 4 * 1024 * 1024;

/**
 * Reads a policy file: YAML 1.2 or JSON, which is YAML. Repeated members and aliases are refused, so
 * that what a person reads is what counts. Throws USAGE_FILE.
 */
export async function readDocument(io: Io, path: string): Promise<unknown> {
  const text = fromUtf8(await readInput(io, path, LIMIT));
  const document = parseDocument(text, { uniqueKeys: true, version: '1.2' });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    throw new AssayError('USAGE_FILE', `${path} is neither JSON nor YAML: ${problem.message}`);
  }
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new AssayError('USAGE_FILE', `${path}: aliases have no place in a policy`, cause);
  }
}
