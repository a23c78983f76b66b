import { AssayError } from '../../attestation/encoding/error.js';
import { parseYaml } from '../../enclave/document.js';
import type { Environment } from '../system/environment.js';
import { isServiceLink } from './surroundings.js';

/** A member of the configuration, or one inside of it. */
type Member = readonly [string, ...string[]];

/** Variables whose values are the text of single members, as it stands: `::` would be a map in YAML. */
const TEXTS: Readonly<Record<string, Member>> = {
  ASSAY_LISTEN_HOST: ['listen', 'host'],
  ASSAY_METRICS_HOST: ['metrics', 'host'],
  ASSAY_LAUNCH_POLICY: ['launchPolicy'],
  ASSAY_HUB_CACHE: ['hub', 'cache'],
  ASSAY_LOG_LEVEL: ['logLevel'],
};

/** Variables whose values are read as YAML. */
const VALUES: Readonly<Record<string, Member>> = {
  ASSAY_LISTEN_PORT: ['listen', 'port'],
  ASSAY_METRICS_PORT: ['metrics', 'port'],
  ASSAY_HOSTS: ['hosts'],
  ASSAY_PLATFORM: ['platform'],
  ASSAY_WORKERS: ['workers'],
  ASSAY_MEMORY_BUDGET_BYTES: ['memoryBudgetBytes'],
  ASSAY_REQUEST_MEMORY_BYTES: ['requestMemoryBytes'],
  ASSAY_MAX_MESSAGE_BYTES: ['maxMessageBytes'],
  ASSAY_DRAIN_SECONDS: ['drainSeconds'],
};

const OVERRIDES = { ...TEXTS, ...VALUES };

/** Levenshtein's distance: insertions, deletions and substitutions. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      const substituted = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1);
      next.push(Math.min(substituted, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
}

/** An override that nobody reads leaves the operator with another configuration than was meant. */
function assertKnown(env: Environment): void {
  const known = Object.keys(OVERRIDES);
  const unknown = Object.entries(env).find(
    ([name, value = '']) =>
      name.startsWith('ASSAY_') &&
      value !== '' &&
      !known.includes(name) &&
      !isServiceLink(name, value),
  );
  if (unknown === undefined) return;
  const [name] = unknown;
  const [nearest] = known.sort((a, b) => distance(name, a) - distance(name, b));
  throw new AssayError(
    'CONFIG_INVALID',
    `nothing reads the environment's ${name}; the nearest override is ${nearest}`,
  );
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The overrides that are given, as `[variable, member]`; variables that are empty do not count. */
export function givenOverrides(env: Environment): (readonly [string, Member])[] {
  return Object.entries(OVERRIDES).filter(([name]) => (env[name] ?? '') !== '');
}

/**
 * A configuration with the environment's overrides in it. What cannot hold an override stays as it is,
 * for the schema to refuse. Throws CONFIG_SYNTAX for a value that is no YAML, CONFIG_INVALID for an `ASSAY_`
 * variable that is no override.
 */
export function withOverrides(config: unknown, env: Environment): unknown {
  assertKnown(env);
  if (!isRecord(config)) return config;
  const merged: Record<string, unknown> = { ...config };
  for (const [name, [member, inner]] of givenOverrides(env)) {
    const text = env[name] ?? '';
    const value = name in TEXTS ? text : parseYaml(text, name, 'CONFIG_SYNTAX');
    const outer = merged[member];
    if (inner === undefined) merged[member] = value;
    else if (outer === undefined || isRecord(outer)) merged[member] = { ...outer, [inner]: value };
  }
  return merged;
}
