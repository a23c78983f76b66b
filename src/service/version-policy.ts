import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import type { VersionPolicy as StatedPolicy } from '../server/model-config.js';
import type { ConfiguredModel } from './config-schema.js';

type VersionPolicy = NonNullable<ConfiguredModel['versionPolicy']>;

/** The versions that a policy serves, of those that are there; numbers, the lowest first. */
function chosenVersions(
  name: string,
  present: readonly number[],
  policy: VersionPolicy,
): readonly number[] {
  const sorted = [...present].sort((a, b) => a - b);
  if ('latest' in policy) return sorted.slice(-policy.latest);
  if ('all' in policy) return sorted;
  const wanted = [...policy.specific].sort((a, b) => a - b);
  const missing = wanted.filter((version) => !sorted.includes(version));
  if (missing.length > 0) {
    throw new AssayError(
      'CONFIG_MODEL',
      `${name}: expected the versions ${missing.join(', ')}, there are ${sorted.join(', ') || 'none'}`,
    );
  }
  return wanted;
}

/** What `ModelConfig` says of a model's versions; undefined where an entry without a policy names its own. */
export function statedPolicy(
  models: readonly ConfiguredModel[],
  { name, version }: Pick<ConfiguredModel, 'name' | 'version'>,
): StatedPolicy | undefined {
  const entries = models.filter((model) => model.name === name);
  const own = entries.find((one) => one.versionPolicy === undefined && one.version === version);
  const policy = own ? undefined : entries.find((one) => one.versionPolicy)?.versionPolicy;
  if (policy === undefined) return undefined;
  if ('latest' in policy) return { latest: { num_versions: policy.latest } };
  return 'all' in policy ? { all: {} } : { specific: { versions: policy.specific } };
}

/** Throws CONFIG_INVALID where two models have one name and version. */
export function assertNamedOnce(models: readonly ConfiguredModel[]): void {
  const keys = models.map(({ name, version }) => `${name} ${version}`);
  const twice = keys.find((key, i) => keys.indexOf(key) !== i);
  if (twice !== undefined) {
    throw new AssayError('CONFIG_INVALID', `the configuration names model ${twice} twice`);
  }
}

async function expand(model: ConfiguredModel): Promise<readonly ConfiguredModel[]> {
  const { versionPolicy, ...rest } = model;
  if (versionPolicy === undefined) return [model];
  const entries = await readdir(model.path, { withFileTypes: true }).catch((cause) => {
    throw new AssayError('CONFIG_MODEL', `${model.name}: expected a folder of versions`, cause);
  });
  // A link counts for the folder that it leads to, as in Triton, and one that leads nowhere fails at its load:
  // to pass it over would serve an older version, of which nobody is told.
  const present = entries
    .filter((entry) => entry.isDirectory() || entry.isSymbolicLink())
    .filter((entry) => /^[1-9]\d{0,14}$/.test(entry.name))
    .map(({ name }) => Number(name));
  const versions = chosenVersions(model.name, present, versionPolicy);
  if (versions.length === 0) {
    throw new AssayError('CONFIG_MODEL', `${model.name}: expected a folder <version>/model.onnx`);
  }
  return versions.map((version) => ({
    ...rest,
    version: String(version),
    path: join(model.path, String(version), 'model.onnx'),
  }));
}

/**
 * A model with a version policy is a folder in the layout of Triton's model repository,
 * `<version>/model.onnx` with versions that are whole numbers, folders or links to such: one entry for each version that the
 * policy serves of those that are there now. Other models stay as they are. Rejects with CONFIG_MODEL,
 * or CONFIG_INVALID where two entries then have one name and version.
 */
export async function expandVersions(
  models: readonly ConfiguredModel[],
): Promise<readonly ConfiguredModel[]> {
  const expanded = (await Promise.all(models.map(expand))).flat();
  assertNamedOnce(expanded);
  return expanded;
}
