import { HeaderScanner, QUOTED_STRING, TOKEN_CHARACTER } from './header-scanner.js';

/** One challenge of a WWW-Authenticate header: scheme and parameters, names in lower case. */
export interface Challenge {
  readonly scheme: string;
  readonly parameters: ReadonlyMap<string, string>;
}

const TOKEN = `${TOKEN_CHARACTER}{1,256}`;
const PARAMETER = new RegExp(`[\\s,]*(${TOKEN})\\s*=\\s*(?:${QUOTED_STRING}|(${TOKEN}))`, 'y');
const SCHEME = new RegExp(`[\\s,]*(${TOKEN})(?=\\s|,|$)(?!\\s*=)`, 'y');
const MAX_LENGTH = 8192;

/** Parses WWW-Authenticate (RFC 9110 section 11.6.1). What follows a malformed part is left out. */
export function parseChallenges(header: string): readonly Challenge[] {
  const challenges: Challenge[] = [];
  const scanner = new HeaderScanner(header.slice(0, MAX_LENGTH));
  for (let match = scanner.take(SCHEME); match !== null; match = scanner.take(SCHEME)) {
    const [, scheme = ''] = match;
    const parameters = new Map(scanner.parameters(PARAMETER));
    challenges.push({ scheme: scheme.toLowerCase(), parameters });
  }
  return challenges;
}
