import { readFile } from 'node:fs/promises';
import { basename, dirname, resolve } from 'node:path';
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { AssayError } from '../attestation/encoding/error.js';
import { type LaunchPolicy, parseLaunchPolicy } from '../attestation/evidence/launch-policy.js';
import { type Config, configSchema } from './config-schema.js';
import { isHubReference, parseReference } from './hub/reference.js';
import { expandVersions } from './version-policy.js';

type Environment = Readonly<Record<string, string | undefined>>;

/** Variables that override single members; each value is read as YAML. */
const OVERRIDES: Readonly<Record<string, readonly [string, ...string[]]>> = {
  ASSAY_LISTEN_HOST: ['listen', 'host'],
  ASSAY_LISTEN_PORT: ['listen', 'port'],
  ASSAY_METRICS_HOST: ['metrics', 'host'],
  ASSAY_METRICS_PORT: ['metrics', 'port'],
  ASSAY_HOSTS: ['hosts'],
  ASSAY_PLATFORM: ['platform'],
  ASSAY_LAUNCH_POLICY: ['launchPolicy'],
  ASSAY_HUB_CACHE: ['hub', 'cache'],
  ASSAY_WORKERS: ['workers'],
  ASSAY_MEMORY_BUDGET_BYTES: ['memoryBudgetBytes'],
  ASSAY_MAX_MESSAGE_BYTES: ['maxMessageBytes'],
  ASSAY_DRAIN_SECONDS: ['drainSeconds'],
  ASSAY_LOG_LEVEL: ['logLevel'],
};

function parseYaml(text: string, what: string): unknown {
  const document = parseDocument(text, { uniqueKeys: true, version: '1.2' });
  const [problem] = [...document.errors, ...document.warnings];
  if (problem !== undefined) {
    throw new AssayError('CONFIG_SYNTAX', `${what} is not YAML or JSON: ${problem.message}`);
  }
  try {
    return document.toJS({ maxAliasCount: 0 });
  } catch (cause) {
    throw new AssayError('CONFIG_SYNTAX', `${what}: aliases have no place there`, cause);
  }
}

async function readText(path: string, what: string): Promise<string> {
  try {
    return await readFile(path, 'utf8');
  } catch (cause) {
    throw new AssayError('CONFIG_FILE', `expected to read ${what} from ${path}`, cause);
  }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function override(config: unknown, env: Environment): unknown {
  if (!isRecord(config)) return config;
  const merged: Record<string, unknown> = { ...config };
  for (const [name, [member, inner]] of Object.entries(OVERRIDES)) {
    const text = env[name];
    if (text === undefined || text === '') continue;
    const value = parseYaml(text, name);
    const outer = merged[member];
    merged[member] =
      inner === undefined ? value : { ...(isRecord(outer) ? outer : {}), [inner]: value };
  }
  return merged;
}

function assertNamedOnce(models: Config['models']): void {
  const keys = models.map(({ name, version }) => `${name} ${version}`);
  const twice = keys.find((key, i) => keys.indexOf(key) !== i);
  if (twice !== undefined) {
    throw new AssayError('CONFIG_INVALID', `the configuration names model ${twice} twice`);
  }
}

/**
 * Validates a configuration. Relative paths are relative to `directory`. Throws CONFIG_INVALID, which
 * names each member at fault.
 */
export function parseConfig(value: unknown, env: Environment, directory: string): Config {
  const result = configSchema.safeParse(override(value, env));
  if (!result.success) {
    throw new AssayError(
      'CONFIG_INVALID',
      `the configuration is not valid: ${z.prettifyError(result.error).replaceAll('\n', ' ')}`,
      result.error,
    );
  }
  const config = result.data;
  assertNamedOnce(config.models);
  return {
    ...config,
    models: config.models.map((model) => ({
      ...model,
      path: isHubReference(model.path) ? model.path : resolve(directory, model.path),
    })),
    hub: { ...config.hub, cache: resolve(directory, config.hub.cache) },
    receiptLog: {
      ...config.receiptLog,
      ...(config.receiptLog.directory === undefined
        ? {}
        : { directory: resolve(directory, config.receiptLog.directory) }),
    },
    ...(config.launchPolicy === undefined
      ? {}
      : { launchPolicy: resolve(directory, config.launchPolicy) }),
  };
}

/** The configuration that serves one model of a hub, named as its repository is. */
function configOfReference(text: string): unknown {
  const reference = parseReference(text);
  const place = reference.kind === 'directory' ? reference.path : (reference.repository ?? '');
  return { models: [{ name: basename(place), path: text }] };
}

/**
 * Reads a configuration file, YAML or JSON, with overrides from the environment; or makes the one for
 * a hub's reference. Folders of versions are expanded by their policy. Throws CONFIG_FILE,
 * CONFIG_SYNTAX, CONFIG_INVALID, CONFIG_MODEL or HUB_REFERENCE.
 */
export async function loadConfig(path: string, env: Environment): Promise<Config> {
  if (isHubReference(path)) return parseConfig(configOfReference(path), env, resolve('.'));
  const value = parseYaml(await readText(path, 'the configuration'), 'the configuration');
  const config = parseConfig(value, env, dirname(resolve(path)));
  const models = (await Promise.all(config.models.map(expandVersions))).flat();
  assertNamedOnce(models);
  return { ...config, models };
}

/** Reads a launch policy file, YAML or JSON. Throws CONFIG_FILE, CONFIG_SYNTAX or LAUNCH_POLICY_FILE. */
export async function loadLaunchPolicy(path: string): Promise<LaunchPolicy> {
  const value = parseYaml(await readText(path, 'the launch policy'), 'the launch policy');
  return parseLaunchPolicy(value);
}
