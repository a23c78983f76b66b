import { join } from 'node:path';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { externalLocations } from '../../attestation/model/external-data.js';
import { analyseModel, type ModelIdentity } from '../../attestation/model/identity.js';
import { readModel } from '../../attestation/model/onnx.js';
import { nativeSha256 } from '../system/sha256.js';
import { digestFrom } from './digest.js';
import { readPlain } from './local.js';
import type { ModelPackage } from './package.js';
import { checkPackagePath } from './package-path.js';

/** A ModelProto has at most 2 GiB (protobuf's own limit); an external file what a buffer can hold. */
const MAX_MODEL = 2 ** 31;
const MAX_EXTERNAL = 2 ** 32;

/** Reads a model and its external data and computes its identity. Files by path in the package. */
export async function identifyFiles(
  model: string,
  locate: (path: string) => string,
): Promise<ModelIdentity> {
  const bytes = await readPlain(locate(model), MAX_MODEL);
  const external = new Map<string, Uint8Array>();
  const view = readModel(bytes);
  for (const location of externalLocations(view)) {
    checkPackagePath(location);
    external.set(location, await readPlain(locate(location), MAX_EXTERNAL));
  }
  const source = { path: model, bytes, external };
  return analyseModel(source, { sha256: nativeSha256 }, view).identity;
}

/** External data of a model in a folder, as it names them. */
export async function locationsOf(directory: string, model: string): Promise<readonly string[]> {
  const view = readModel(await readPlain(join(directory, model), MAX_MODEL));
  const locations = externalLocations(view);
  locations.forEach(checkPackagePath);
  return locations;
}

function namesOf(contents: ModelPackage): readonly string[] {
  return contents.files
    .filter(({ role }) => role === 'external')
    .map(({ path }) => path)
    .sort();
}

/**
 * Refuses a package whose manifest lies: another computation than it states, or other external data
 * than the model names. Every digest is compared again with what was read here.
 * @throws AssayError HUB_GRAPH, HUB_PACKAGE, HUB_DIGEST, MODEL_*.
 */
export async function verifyPackage(
  contents: ModelPackage,
  locate: (path: string) => string,
): Promise<void> {
  const model = contents.files.find(({ role }) => role === 'model');
  if (model === undefined) return;
  const identity = await identifyFiles(model.path, (path) => {
    if (path === model.path || namesOf(contents).includes(path)) return locate(path);
    throw new AssayError('HUB_PACKAGE', `expected ${path}, which the model reads, in its package`);
  });
  const read = new Map(identity.files.map(({ path, sha256 }) => [path, digestFrom(sha256)]));
  for (const { path, role, blob } of contents.files) {
    if (role !== 'model' && role !== 'external') continue;
    if (!read.has(path)) {
      throw new AssayError('HUB_PACKAGE', `expected the model to read ${path}: it does not`);
    }
    if (read.get(path) !== blob.digest) {
      throw new AssayError('HUB_DIGEST', `expected ${path} to be ${blob.digest}`);
    }
  }
  const graph = toHex(identity.graph);
  if (graph !== contents.graph) {
    throw new AssayError(
      'HUB_GRAPH',
      `expected the computation ${contents.graph}, as the manifest states, not ${graph}`,
    );
  }
}
