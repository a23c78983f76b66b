import { AssayError } from '../../attestation/encoding/error.js';

const TOKEN = "[A-Za-z0-9!#$%&'*+.^_`|~-]+";
const TARGET = /<([^<>]*)>/y;
const PARAMETER = new RegExp(
  `[ \\t]*;[ \\t]*(?:(${TOKEN})[ \\t]*(?:=[ \\t]*(?:"((?:[^"\\\\]|\\\\.)*)"|(${TOKEN})))?)?`,
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
  let at = 0;
  const take = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    const match = pattern.exec(header);
    if (match !== null) at = pattern.lastIndex;
    return match;
  };
  let found: string | undefined;
  take(END);
  while (at < header.length) {
    const target = take(TARGET);
    let types: string | undefined;
    for (let match = take(PARAMETER); match !== null; match = take(PARAMETER)) {
      const [, name = '', quoted, plain = ''] = match;
      if (name.toLowerCase() === 'rel') types ??= quoted?.replace(/\\(.)/g, '$1') ?? plain;
    }
    if (target === null || take(END) === null) {
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
