import { parseDocument, Scalar, visit } from 'yaml';
import { AssayError, type ErrorCode } from '../attestation/encoding/error.js';

/**
 * A number as a person writes one: of digits that it holds, without a zero before them. A digest may be all
 * digits, or digits and one e.
 */
const NUMBER =
  /^([-+]?((0|[1-9]\d{0,14})(\.\d*)?|\.\d+)(e[-+]?\d{1,3})?|0x[0-9a-f]{1,13}|0o[0-7]{1,17})$/i;

/** Whether this plain scalar, which YAML reads as a number, is text: bytes in hexadecimal. */
function isText({ type, value, source = '' }: Scalar): boolean {
  const isNumber = typeof value === 'number' && /\d/.test(source);
  return isNumber && type === Scalar.PLAIN && !NUMBER.test(source);
}

/** Characters of what the parser says that are told: it repeats what it could not read, whatever that is. */
const MAX_PROBLEM = 300;

/** What the parser says, cut, and without characters that people cannot read but its ends of lines. */
function problemText(message: string): string {
  const cut = message.length > MAX_PROBLEM ? `${message.slice(0, MAX_PROBLEM)}…` : message;
  return cut.replace(/[^\P{C}\n]/gu, '\uFFFD');
}

/**
 * The value of a document that a person writes: YAML 1.2 or JSON, which is YAML. Repeated members and
 * aliases are refused, so that what a person reads is what counts: digits beyond what a number holds, or
 * with a zero before them, are text as they stand. Throws `code`.
 * @param what names the document in messages.
 */
export function parseYaml(text: string, what: string, code: ErrorCode): unknown {
  const document = parseDocument(text, { uniqueKeys: true, version: '1.2' });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    throw new AssayError(code, `${what} is neither JSON nor YAML: ${problemText(problem.message)}`);
  }
  visit(document, {
    Scalar: (_, node) => {
      if (isText(node)) node.value = node.source;
    },
  });
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new AssayError(code, `${what}: aliases have no place there`, cause);
  }
}
