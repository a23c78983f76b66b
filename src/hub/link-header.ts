import { AssayError } from '../../attestation/encoding/error.js';
import { HeaderScanner, QUOTED_STRING, TOKEN_CHARACTER } from './header-scanner.js';

const TOKEN = `${TOKEN_CHARACTER}+`;
const TARGET = /<([^<>]*)>/y;
const PARAMETER = new RegExp(
  `[ \\t]*;[ \\t]*(?:(${TOKEN})[ \\t]*(?:=[ \\t]*(?:${QUOTED_STRING}|(${TOKEN})))?)?`,
  'y',
);
/** Behind a link: another one, or nothing. */
const END = /[ \t]*(?:,[ \t,]*|$)/y;

/**
 * The target of the first link with this relation type, in lower case; undefined where there is none (RFC 8288,
 * section 3: names and relation types count in either case, and of several `rel` in one link the first does).
 * Throws HUB_PROTOCOL for a header that cannot be read.
 */
export function linkTarget(header: string, relation: string): string | undefined {
  const scanner = new HeaderScanner(header);
  let found: string | undefined;
  scanner.take(END);
  while (!scanner.done) {
    const target = scanner.take(TARGET);
    let types: string | undefined;
    for (const [name, value] of scanner.parameters(PARAMETER)) {
      if (name === 'rel') types ??= value;
    }
    if (target === null || scanner.take(END) === null) {
      throw new AssayError('HUB_PROTOCOL', 'expected a Link header as RFC 8288 has it');
    }
    if (
      types
        ?.toLowerCase()
        .split(/[ \t]+/)
        .includes(relation)
    )
      found ??= target[1];
  }
  return found;
}
