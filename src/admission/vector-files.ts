import { stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import { readRegular } from '../system/open-regular.js';
import { npzTestSet } from './npz.js';
import {
  findTestFolders,
  MAX_VECTORS,
  type Names,
  readTestFolder,
  type TestSet,
} from './test-sets.js';

/** What the files of test sets may hold: by number what a caller must give, by name anything. */
export interface VectorNames extends Names {
  /** All inputs, those with a default included. */
  readonly named: readonly string[];
}

function unreadable(path: string): (cause: unknown) => never {
  return (cause) => {
    throw new AssayError('USAGE_FILE', `cannot read ${path}: expected test vectors`, cause);
  };
}

async function isFolder(path: string): Promise<boolean> {
  return (await stat(path).catch(unreadable(path))).isDirectory();
}

/**
 * Test sets as people name them: a `test_data_set_*` folder, a folder that has some, or a .npz file.
 * Throws USAGE_FILE for what is none of these, MODEL_VECTORS and MODEL_TENSOR.
 */
export async function readVectorFiles(
  paths: readonly string[],
  { named, ...names }: VectorNames,
): Promise<TestSet[]> {
  const sets: TestSet[] = [];
  for (const path of paths) {
    if (path.endsWith('.npz') && !(await isFolder(path))) {
      const arrays = { ...names, inputs: named };
      const bytes = await readRegular(path, MAX_VECTORS).catch(unreadable(path));
      sets.push(npzTestSet(basename(path, '.npz'), bytes, arrays));
    } else if (await isFolder(path)) {
      const inside = await findTestFolders(path);
      for (const folder of inside.length > 0 ? inside : [path]) {
        sets.push(await readTestFolder(folder, names));
      }
    } else {
      throw new AssayError(
        'USAGE_FILE',
        `expected ${path} to be a folder of test sets or an .npz file`,
      );
    }
  }
  const empty = sets.find(({ inputs, outputs }) => inputs.length + outputs.length === 0);
  if (empty !== undefined) {
    throw new AssayError('USAGE_FILE', `${empty.name} holds no input_*.pb and no output_*.pb`);
  }
  return sets;
}
