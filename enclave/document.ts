import { parseDocument } from 'yaml';
import { AssayError, type ErrorCode } from '../attestation/encoding/error.js';

/**
 * The value of a document that a person writes: YAML 1.2 or JSON, which is YAML. Repeated members and
 * aliases are refused, so that what a person reads is what counts. Throws `code`.
 * @param what names the document in messages.
 */
export function parseYaml(text: string, what: string, code: ErrorCode): unknown {
  const document = parseDocument(text, { uniqueKeys: true, version: '1.2' });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    throw new AssayError(code, `${what} is neither JSON nor YAML: ${problem.message}`);
  }
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new AssayError(code, `${what}: aliases have no place there`, cause);
  }
}
