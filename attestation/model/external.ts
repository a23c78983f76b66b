import { AssayError } from '../encoding/error.js';
import { type WalkBudget, WireReader } from './wire.js';

/** Where the bytes of a tensor lie outside the model file. */
export interface ExternalReference {
  readonly location: string;
  readonly offset: number;
  /** Null where the model leaves it to the tensor's type and shape. */
  readonly length: number | null;
}

function refuse(location: string, reason: string): never {
  throw new AssayError(
    'MODEL_EXTERNAL_PATH',
    `external data location ${JSON.stringify(location.slice(0, 200))} ${reason}`,
  );
}

/**
 * Requires a plain relative path below the model's folder: it may not leave it, and may not mean
 * something else on another system. `*` is refused because ONNX Runtime marks its own in-memory
 * tensors with a location that begins with one, and takes their offset for an address.
 */
function assertLocation(location: string): void {
  for (const character of location) {
    const code = character.codePointAt(0) ?? 0;
    if (code < 0x20 || code === 0x7f) refuse(location, 'has a control character');
  }
  if (/[\\:*?"<>|]/.test(location)) refuse(location, 'has one of \\ : * ? " < > |');
  if (location.startsWith('/')) refuse(location, 'is absolute');
  for (const segment of location.split('/')) {
    if (segment === '' || segment === '.' || segment === '..') {
      refuse(location, 'has an empty, "." or ".." segment');
    }
  }
}

function decimal(text: string, key: string): number {
  const value = /^(0|[1-9][0-9]{0,15})$/.test(text) ? Number(text) : Number.NaN;
  if (!Number.isSafeInteger(value)) {
    throw new AssayError('MODEL_EXTERNAL_DATA', `expected ${key} to be a decimal number of bytes`);
  }
  return value;
}

/** StringStringEntryProto. */
export function readPair(bytes: Uint8Array, budget: WalkBudget): readonly [string, string] {
  const fields = new WireReader(bytes, 'StringStringEntryProto', budget);
  let key = '';
  let value = '';
  while (fields.next()) {
    if (fields.number === 1) key = fields.once().text();
    else if (fields.number === 2) value = fields.once().text();
    else fields.unknown();
  }
  return [key, value];
}

/**
 * The meaning of TensorProto.external_data (docs/ExternalData.md). `checksum` is a SHA-1 of the file
 * and is ignored: the digest of the bytes says more. Any other key is refused, ONNX Runtime's
 * `prepacked_*` above all: it would compute with those bytes in place of the tensor's.
 */
export function externalReference(
  pairs: readonly (readonly [string, string])[],
): ExternalReference {
  const entries = new Map(pairs);
  if (entries.size !== pairs.length) {
    throw new AssayError('MODEL_EXTERNAL_DATA', 'an external_data key occurs more than once');
  }
  const location = entries.get('location') ?? refuse('', 'is missing');
  assertLocation(location);
  for (const key of entries.keys()) {
    if (!['location', 'offset', 'length', 'checksum'].includes(key)) {
      throw new AssayError(
        'MODEL_EXTERNAL_DATA',
        `external_data key ${JSON.stringify(key.slice(0, 100))} is not location, offset, length or checksum`,
      );
    }
  }
  const length = entries.get('length');
  return {
    location,
    offset: decimal(entries.get('offset') ?? '0', 'offset'),
    length: length === undefined ? null : decimal(length, 'length'),
  };
}

/** The external files of a model by location. */
export type ExternalFiles = ReadonlyMap<string, Uint8Array>;

/** A view of exactly `expected` bytes; throws if the file was not supplied or is too short. */
export function externalBytes(
  reference: ExternalReference,
  expected: number,
  files: ExternalFiles,
): Uint8Array {
  const { location, offset, length } = reference;
  if (length !== null && length !== expected) {
    throw new AssayError(
      'MODEL_EXTERNAL_DATA',
      `external data in ${location}: length is ${length}, but type and dims need ${expected}`,
    );
  }
  const file = files.get(location);
  if (file === undefined) {
    throw new AssayError(
      'MODEL_EXTERNAL_UNDECLARED',
      `external data file ${location} is not among the model's declared files`,
    );
  }
  if (offset + expected > file.length) {
    throw new AssayError(
      'MODEL_EXTERNAL_DATA',
      `external data in ${location}: bytes ${offset} to ${offset + expected} of ${file.length}`,
    );
  }
  return file.subarray(offset, offset + expected);
}
