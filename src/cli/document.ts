import { fromUtf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseYaml } from '../../enclave/document.js';
import { readInput } from './input-files.js';
import type { Io } from './io.js';

const LIMIT = 4 * 1024 * 1024;

/**
 * Reads what a person wrote, a policy or a deployment, of 4 MiB
 * at most: YAML or JSON. Throws USAGE_FILE or USAGE_OPTION.
 */
export async function readDocument(io: Io, path: string): Promise<unknown> {
  const bytes = await readInput(io, path, LIMIT);
  let text: string;
  try {
    text = fromUtf8(bytes);
  } catch (cause) {
    throw new AssayError('USAGE_FILE', `${path} is no text in UTF-8`, cause);
  }
  return parseYaml(text, path, 'USAGE_FILE');
}
