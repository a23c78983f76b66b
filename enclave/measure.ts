import { constants } from 'node:buffer';
import { basename, dirname } from 'node:path';
import { AssayError } from '../attestation/encoding/error.js';
import { executableModel } from '../attestation/model/executable.js';
import { externalLocations } from '../attestation/model/external-data.js';
import {
  analyseModel,
  type ModelAnalysis,
  type ModelIdentity,
} from '../attestation/model/identity.js';
import { readModel } from '../attestation/model/onnx.js';
import { openUnlinked, unlinkedPath } from '../src/system/open-regular.js';
import { nativeSha256, nativeSha256Once } from '../src/system/sha256.js';

/** A model that was read once: what is executed is written from what was measured. */
export interface MeasuredModel {
  /** Where the model file lies. */
  readonly path: string;
  readonly identity: ModelIdentity;
  /**
   * `executableModel` of what was identified, in shared memory so that worker threads need no copy: what does
   * not count in the identity a runtime must not see.
   */
  readonly bytes: Uint8Array;
  /** The external data that `bytes` refers to, by location. */
  readonly external: ReadonlyMap<string, Uint8Array>;
  /** Names of the operators that are executed, each once; what the publisher's file has besides does not count. */
  readonly operators: readonly string[];
}

/** A measured model, and what was found as it was identified. */
export interface Measurement {
  readonly measured: MeasuredModel;
  /** Of the bytes as they were identified. Larger than the model's structure: to be judged, not kept. */
  readonly analysis: ModelAnalysis;
}

const TOO_LARGE = `are more than the ${constants.MAX_LENGTH} that Node.js ${process.version} holds in one buffer: keep external data in several files`;

/** Memory that worker threads share. */
function shared(size: number): Uint8Array {
  return new Uint8Array(new SharedArrayBuffer(size));
}

/**
 * Reads a regular file once, whole. Refuses links (symbolic ones, and files with more than one name:
 * another name is another way to change them), and files that change while they are read. Throws
 * MODEL_FILE.
 */
async function readOnce(
  path: string,
  allocate = (size: number): Uint8Array => new Uint8Array(size),
): Promise<Uint8Array> {
  const fail = (reason: string, cause?: unknown): never => {
    throw new AssayError('MODEL_FILE', `${basename(path)}: ${reason}`, cause);
  };
  const opened = await openUnlinked(path).catch((cause) =>
    fail('expected a readable file that is no symbolic link', cause),
  );
  if (opened === null) return fail('expected a regular file with one name');
  const { file, stats } = opened;
  try {
    const { size } = stats;
    if (size > constants.MAX_LENGTH) fail(`${size} bytes ${TOO_LARGE}`);
    const bytes = allocate(size);
    let offset = 0;
    while (offset < size) {
      const { bytesRead } = await file.read(bytes, offset, Math.min(size - offset, 2 ** 30));
      if (bytesRead === 0) fail('the file became shorter while it was read');
      offset += bytesRead;
    }
    const { bytesRead } = await file.read(new Uint8Array(1), 0, 1);
    if (bytesRead !== 0) fail('the file became longer while it was read');
    return bytes;
  } finally {
    await file.close();
  }
}

/**
 * Reads and identifies a model and its external data; its structure is decoded once. `readModel` refuses
 * absolute and escaping locations; a location that leads through a link is refused here. Throws
 * MODEL_FILE and what `identifyModel` throws.
 */
export async function measureModel(path: string): Promise<Measurement> {
  const bytes = await readOnce(path);
  const model = readModel(bytes);
  const external = new Map<string, Uint8Array>();
  for (const location of externalLocations(model)) {
    const file = await unlinkedPath(dirname(path), location);
    if (file === undefined) {
      throw new AssayError(
        'MODEL_FILE',
        `${location}: expected external data in the model's folder, reached through no link`,
      );
    }
    external.set(location, await readOnce(file, shared));
  }
  const source = { path: basename(path), bytes, external };
  const hashing = { sha256: nativeSha256, sha256Once: nativeSha256Once };
  const analysis = analyseModel(source, hashing, model);
  const { identity } = analysis;
  return {
    measured: { path, identity, ...executableModel(analysis, external, shared) },
    analysis,
  };
}
