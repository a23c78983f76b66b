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

/**
 * `tolerances.json` beside a model; null where there is none. Rejects with HUB_TOLERANCES, also for limits
 * for what is none of the model's outputs.
 */
export async function readTolerances(
  model: string,
  outputs: readonly string[],
): Promise<Tolerances | null> {
  const path = join(dirname(model), 'tolerances.json');
  const bytes = await readRegular(path, MAX_TOLERANCES).catch((cause: unknown) => {
    if (isMissing(cause)) return null;
    throw new AssayError('HUB_TOLERANCES', 'tolerances.json cannot be read', cause);
  });
  if (bytes === null) return null;
  const tolerances = parseTolerances(bytes);
  assertLimitsOfOutputs(tolerances, outputs, 'HUB_TOLERANCES', 'tolerances.json');
  return tolerances;
}

/** A folder with several models does not say whose vectors it holds. */
async function testFolders(folder: string): Promise<string[]> {
  const files = await readdir(folder);
  return files.filter((file) => file.endsWith('.onnx')).length === 1 ? findTestFolders(folder) : [];
}

/**
 * The test vectors beside a model (`test_data_set_*`, ONNX's layout) with the publisher's tolerances;
 * null where there are none. Rejects with MODEL_VECTORS or HUB_TOLERANCES for files that are not what
 * they should be, and for a set that expects no output: running it would show nothing.
 * @param path of the model file.
 */
export async function readPackageVectors(
  path: string,
  names: Names,
): Promise<PackageVectors | null> {
  const folders = await testFolders(dirname(path));
  if (folders.length === 0) return null;
  const sets: TestSet[] = [];
  for (const folder of folders) sets.push(await readTestFolder(folder, names));
  assertReferences(sets);
  return { sets, tolerances: await readTolerances(path, names.outputs) };
}
