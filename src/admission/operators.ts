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

const NEWEST = new Map(Object.entries(NEWEST_OPSETS));
const TABLE = new Map(Object.entries(OPERATORS).map(([domain, lines]) => [domain, parse(lines)]));

/** The newest version of an operator set that the pinned runtime supports; undefined: none. */
export function newestOpset(domain: string): number | undefined {
  return NEWEST.get(domain);
}

/** The version at which an operator of ONNX's own got the meaning that it has at `version`. */
function sinceOf(name: string, version: number): number | undefined {
  const at = TABLE.get('')?.get(name);
  const found = at?.findLast(({ since }) => since <= version);
  return found?.works === true ? found.since : undefined;
}

/** How an operator of ONNX's own changed between two versions, for people; undefined if it did not. */
export function changeOf(name: string, version: number, other: number): string | undefined {
  const [from, to] = [sinceOf(name, version), sinceOf(name, other)];
  if (from === to) return undefined;
  return `${name}, of opset ${from ?? 'none'} and of opset ${to ?? 'none'}`;
}

/**
 * Versions of ONNX's operator set under which some of these operators are others than under `version`,
 * one of each run of versions that agree: the newer ones upwards, then the older ones downwards.
 */
export function otherMeanings(names: readonly string[], version: number): number[] {
  const newest = newestOpset('') ?? 0;
  const meaning = (at: number): string | undefined => {
    const since = names.map((name) => sinceOf(name, at));
    return since.includes(undefined) ? undefined : since.join();
  };
  const found: number[] = [];
  const seen = new Set([meaning(version), undefined]);
  const add = (at: number): void => {
    const own = meaning(at);
    if (!seen.has(own)) found.push(at);
    seen.add(own);
  };
  for (let at = version + 1; at <= newest; at++) add(at);
  for (let at = version - 1; at > 0; at--) add(at);
  return found;
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
