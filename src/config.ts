import { readFile } from 'node:fs/promises';
import { isIPv4 } from 'node:net';
import { basename, dirname, resolve } from 'node:path';
import { fromUtf8 } from '../attestation/encoding/bytes.js';
import { AssayError } from '../attestation/encoding/error.js';
import { schemaError } from '../attestation/encoding/schema.js';
import { type LaunchPolicy, parseLaunchPolicy } from '../attestation/evidence/launch-policy.js';
import { parseYaml } from '../enclave/document.js';
import { formatReference, isHubReference, parseReference, pinnedDigest } from './hub/reference.js';
import { type Config, configSchema } from './service/config-schema.js';
import { givenOverrides, withOverrides } from './service/overrides.js';
import { assertNamedOnce } from './service/version-policy.js';
import type { Environment } from './system/environment.js';

/** The text of bytes that may be YAML or JSON, neither of which has control characters; undefined for others. */
function textOf(bytes: Uint8Array): string | undefined {
  if (bytes.some((byte) => byte < 0x20 && ![0x09, 0x0a, 0x0d].includes(byte))) return undefined;
  try {
    return fromUtf8(bytes);
  } catch {
    return undefined;
  }
}

/** @param advice for whoever named a file that is no text. */
async function readYaml(path: string, what: string, advice = ''): Promise<unknown> {
  const bytes = await readFile(path).catch((cause: unknown) => {
    throw new AssayError('CONFIG_FILE', `expected to read ${what} from ${path}`, cause);
  });
  const text = textOf(bytes);
  if (text !== undefined) return parseYaml(text, what, 'CONFIG_SYNTAX');
  throw new AssayError('CONFIG_SYNTAX', `expected ${path} to be text in UTF-8${advice}`);
}

/**
 * A model's file or reference, absolute where it is on this
 * machine. Throws HUB_REFERENCE, HUB_UNPINNED, CONFIG_INVALID.
 */
function placedModel(path: string, directory: string): string {
  if (!isHubReference(path)) return resolve(directory, path);
  const reference = parseReference(path);
  pinnedDigest(reference);
  if (reference.kind === 'registry') return path;
  const folder = resolve(directory, reference.path);
  // The name of the configuration's own folder, or of one above it: a reference would mean another.
  if (/[@:]/.test(basename(folder))) {
    throw new AssayError(
      'CONFIG_INVALID',
      `expected ${path} to be a folder without "@" and ":" in its name, not ${folder}`,
    );
  }
  return formatReference({ ...reference, path: folder });
}

function placedPlatform(platform: Config['platform'], directory: string): Config['platform'] {
  if (platform.kind !== 'simulator' || platform.rootDirectory === undefined) return platform;
  return { ...platform, rootDirectory: resolve(directory, platform.rootDirectory) };
}

type Address = Config['listen'];

/** Whether who listens at `host` takes what is for `other`: `::` is every address, 0.0.0.0 every one of IPv4. */
function covers(host: string, other: string): boolean {
  return host === other || host === '::' || (host === '0.0.0.0' && isIPv4(other));
}

/** Whether no system would let a process listen at both; port 0 is any that is free. */
function collide(a: Address, b: Address): boolean {
  const sameHost = covers(a.host, b.host) || covers(b.host, a.host);
  return a.port === b.port && a.port !== 0 && sameHost;
}

/** Throws CONFIG_INVALID where two of the service's listeners would have one address. */
function assertOwnAddresses({ listen, plaintext, metrics }: Config): void {
  const listeners = Object.entries({ listen, plaintext, metrics });
  for (const [index, [name, address]] of listeners.entries()) {
    const other = listeners
      .slice(0, index)
      .find(([, one]) => one && address && collide(one, address));
    if (other === undefined) continue;
    const message = `the configuration has ${other[0]} and ${name} listen on one port, ${address?.port}`;
    throw new AssayError('CONFIG_INVALID', message);
  }
}

/** The variables whose values are at fault, in brackets; nothing where none is. */
function originOf(issues: readonly { readonly path: readonly PropertyKey[] }[], env: Environment) {
  const names = givenOverrides(env)
    .filter(([, member]) => issues.some(({ path }) => member.every((name, i) => path[i] === name)))
    .map(([name]) => name);
  return names.length === 0 ? '' : ` (from ${names.join(', ')})`;
}

/**
 * Validates a configuration. Relative paths are relative to `directory`. Throws CONFIG_INVALID, which
 * names each member at fault, HUB_REFERENCE or HUB_UNPINNED.
 */
export function parseConfig(value: unknown, env: Environment, directory: string): Config {
  const result = configSchema.safeParse(withOverrides(value, env));
  if (!result.success) {
    const what = `the configuration is not valid${originOf(result.error.issues, env)}`;
    throw schemaError('CONFIG_INVALID', what, result.error);
  }
  const config = result.data;
  // The versions of the others are known once their folders are read.
  assertOwnAddresses(config);
  assertNamedOnce(config.models.filter(({ versionPolicy }) => versionPolicy === undefined));
  return {
    ...config,
    models: config.models.map((model) => ({
      ...model,
      path: placedModel(model.path, directory),
    })),
    platform: placedPlatform(config.platform, directory),
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

const MODEL_ADVICE = ': a model is named in a configuration, as assay.example.yaml shows';

/**
 * Reads a configuration file, YAML or JSON, with overrides from the environment; or makes the one for
 * a hub's reference. Throws CONFIG_FILE, CONFIG_SYNTAX, CONFIG_INVALID, HUB_REFERENCE or HUB_UNPINNED.
 */
export async function loadConfig(path: string, env: Environment): Promise<Config> {
  if (isHubReference(path)) return parseConfig(configOfReference(path), env, resolve('.'));
  const value = await readYaml(path, 'the configuration', MODEL_ADVICE);
  return parseConfig(value, env, dirname(resolve(path)));
}

/** Reads a launch policy file, YAML or JSON. Throws CONFIG_FILE, CONFIG_SYNTAX or LAUNCH_POLICY_FILE. */
export async function loadLaunchPolicy(path: string): Promise<LaunchPolicy> {
  const value = await readYaml(path, 'the launch policy');
  return parseLaunchPolicy(value);
}
