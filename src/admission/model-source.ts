import { constants } from 'node:buffer';
import { realpath } from 'node:fs/promises';
import { basename, dirname, join, relative, sep } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import { type ExecutableModel, executableModel } from '../../attestation/model/executable.js';
import { externalLocations } from '../../attestation/model/external-data.js';
import {
  analyseModel,
  type ModelIdentity,
  type ModelSource,
} from '../../attestation/model/identity.js';
import { readModel } from '../../attestation/model/onnx.js';
import { openRegular, readFirst } from '../system/open-regular.js';
import { nativeSha256 } from '../system/sha256.js';

async function readWhole(path: string, shown: string): Promise<Uint8Array> {
  const opened = await openRegular(path).catch((cause: unknown) => {
    throw new AssayError('USAGE_FILE', `cannot read ${shown}: expected a readable file`, cause);
  });
  if (opened === null) throw new AssayError('USAGE_FILE', `${shown} is not a regular file`);
  const { file, stats } = opened;
  try {
    if (stats.size > constants.MAX_LENGTH) {
      throw new AssayError(
        'USAGE_FILE',
        `${shown} has ${stats.size} bytes, more than the ${constants.MAX_LENGTH} that Node.js ${process.version} holds in one buffer: keep external data in several files`,
      );
    }
    const bytes = await readFirst(file, stats.size);
    if (bytes.length === stats.size) return bytes;
    throw new AssayError('USAGE_FILE', `${shown} became shorter while it was read`);
  } finally {
    await file.close();
  }
}

/**
 * Reads a model and its external data for a person who looks at it, who may have links where an
 * enclave may not (`enclave/measure.ts`); external data must still lie below the model's folder. Throws
 * USAGE_FILE, USAGE_OPTION for `-`, by which commands mean standard input, or MODEL_* for what is no model.
 */
export async function readModelSource(path: string): Promise<ModelSource> {
  if (path === '-') {
    const why = 'its external data lie beside it';
    throw new AssayError(
      'USAGE_OPTION',
      `expected the path of a model, not standard input: ${why}`,
    );
  }
  const bytes = await readWhole(path, path);
  const folder = await realpath(dirname(path));
  const external = new Map<string, Uint8Array>();
  for (const location of externalLocations(readModel(bytes))) {
    const file = await realpath(join(folder, location)).catch((cause: unknown) => {
      throw new AssayError('USAGE_FILE', `external data ${location} is not there`, cause);
    });
    if (relative(folder, file).split(sep)[0] === '..') {
      throw new AssayError('USAGE_FILE', `external data ${location} leads out of the folder`);
    }
    external.set(location, await readWhole(file, location));
  }
  return { path: basename(path), bytes, external };
}

/** A model as it is executed, and what identifies it. */
export interface Executable extends ExecutableModel {
  /** Of its file, without the folder. */
  readonly path: string;
  readonly identity: ModelIdentity;
}

/**
 * Reads a model as `readModelSource` does; what is executed is written from what is identified, as in an
 * enclave. Rejects with USAGE_FILE and MODEL_….
 */
export async function readExecutable(path: string): Promise<Executable> {
  const source = await readModelSource(path);
  const analysis = analyseModel(source, { sha256: nativeSha256 });
  const executable = executableModel(analysis, source.external);
  return { path: source.path, identity: analysis.identity, ...executable };
}
