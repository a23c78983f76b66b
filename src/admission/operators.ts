import { NEWEST_OPSETS, OPERATORS } from './runtime-operators.js';

/** Whether the pinned runtime can execute an operator, as far as names and versions tell. */
export type Support = 'supported' | 'unknown-domain' | 'unknown-operator' | 'unsupported-version';

type Versions = readonly { readonly since: number; readonly works: boolean }[];

function parse(lines: string): ReadonlyMap<string, Versions> {
  return new Map(
    lines
      .trim()
      .split(/;\s+/)
      .map((line) => {
        const [name = '', ...versions] = line.split(/\s+/);
        const parsed = versions.map((version) => ({
          since: Math.abs(Number(version)),
          works: !version.startsWith('-'),
        }));
        return [name, parsed] as const;
      }),
  );
}

const TABLE = new Map(Object.entries(OPERATORS).map(([domain, lines]) => [domain, parse(lines)]));

/** The newest version of an operator set that the pinned runtime supports; undefined: none. */
export function newestOpset(domain: string): number | undefined {
  return NEWEST_OPSETS[domain];
}

/**
 * Looks an operator up at an imported opset version: what counts is the newest change of the operator
 * that is not newer than that version.
 */
export function supportOf(domain: string, name: string, version: number): Support {
  const operators = TABLE.get(domain);
  if (operators === undefined) return 'unknown-domain';
  const at = operators.get(name)?.findLast(({ since }) => since <= version);
  if (at === undefined) return 'unknown-operator';
  return at.works ? 'supported' : 'unsupported-version';
}
