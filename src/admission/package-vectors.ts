import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import { assertLimitsOfOutputs } from '../client/agreement.js';
import { MAX_TOLERANCES, parseTolerances, type Tolerances } from '../hub/package.js';
import { isMissing } from '../system/errno.js';
import { readRegular } from '../system/open-regular.js';
import {
  assertReferences,
  findTestFolders,
  type Names,
  readTestFolder,
  type TestSet,
} from './test-sets.js';

/** Test vectors that lie beside a model, each file read once. */
export interface PackageVectors {
  /** At least one. */
  readonly sets: readonly TestSet[];
  /** Null where the publisher declared none. */
  readonly tolerances: Tolerances | null;
}

/** Names of the models in a folder; folders of external data, and links, may be called anything. */
async function modelsIn(folder: string): Promise<readonly string[]> {
  const entries = await readdir(folder, { withFileTypes: true });
  const models = entries.filter((entry) => entry.isFile() && entry.name.endsWith('.onnx'));
  return models.map(({ name }) => name).sort();
}

/**
 * `tolerances.json` in a model's folder; null where there is none, and where several models lie there, of which
 * it does not say whose it is. Rejects with HUB_TOLERANCES, also for limits for what is none of the model's outputs.
 */
export async function readTolerances(
  folder: string,
  outputs: readonly string[],
): Promise<Tolerances | null> {
  const path = join(folder, 'tolerances.json');
  const bytes = await readRegular(path, MAX_TOLERANCES).catch((cause: unknown) => {
    if (isMissing(cause)) return null;
    throw new AssayError('HUB_TOLERANCES', 'tolerances.json cannot be read', cause);
  });
  if (bytes === null || (await modelsIn(folder)).length > 1) return null;
  const tolerances = parseTolerances(bytes);
  assertLimitsOfOutputs(tolerances, outputs, 'HUB_TOLERANCES', 'tolerances.json');
  return tolerances;
}

/**
 * The folders of test sets beside a model file, in order of their numbers. Throws MODEL_VECTORS where several
 * models lie there, of which the sets do not say whose they are: to run none would hide a wrong model.
 */
export async function vectorFolders(model: string): Promise<string[]> {
  const folder = dirname(model);
  const folders = await findTestFolders(folder);
  if (folders.length === 0) return [];
  const names = await modelsIn(folder);
  if (names.length <= 1) return folders;
  const shown = names.slice(0, 3);
  throw new AssayError(
    'MODEL_VECTORS',
    `expected one model beside test_data_set_*, not ${names.length} (${shown.join(', ')}${names.length > 3 ? ', …' : ''}): move each model with its vectors to a folder of its own`,
  );
}

/** Refuses to go without what a package names; throws MODEL_VECTORS. */
function assertRead(sets: readonly TestSet[], packaged: readonly string[]): void {
  const read = new Set(
    sets.flatMap(({ name, inputs, outputs }) => [
      ...inputs.map((_, index) => `${name}/input_${index}.pb`),
      ...outputs.map((_, index) => `${name}/output_${index}.pb`),
    ]),
  );
  const missing = packaged.find((path) => !read.has(path));
  if (missing === undefined) return;
  throw new AssayError('MODEL_VECTORS', `expected ${missing} of the package beside its model`);
}

/**
 * The test vectors beside a model (`test_data_set_*`, ONNX's layout) with the publisher's tolerances;
 * null where there are none. Rejects with MODEL_VECTORS or HUB_TOLERANCES for files that are not what
 * they should be, and for a set that expects no output: running it would show nothing.
 * @param path of the model file.
 * @param packaged paths of vectors that must be among them: those that the model's package names.
 */
export async function readPackageVectors(
  path: string,
  names: Names,
  packaged: readonly string[] = [],
): Promise<PackageVectors | null> {
  const sets: TestSet[] = [];
  for (const folder of await vectorFolders(path)) sets.push(await readTestFolder(folder, names));
  assertRead(sets, packaged);
  if (sets.length === 0) return null;
  assertReferences(sets);
  return { sets, tolerances: await readTolerances(dirname(path), names.outputs) };
}
