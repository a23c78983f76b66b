import { compareBytes, utf8 } from '../encoding/bytes.js';
import { type CborKey, type CborValue, encodeCbor } from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';
import { label, sha256 } from '../encoding/hash.js';

/** A native library, by its file name. */
export interface ProfileLibrary {
  readonly file: string;
  readonly sha256: Uint8Array;
}

/**
 * Everything that can change the bits of an answer. Two nodes with equal graph and profile give equal
 * bits; a difference in any member is a reason to expect other bits, not a proof of it.
 */
export interface ExecutionProfile {
  /** ONNX Runtime's version. */
  readonly runtime: string;
  /** ONNX Runtime's shared library and its binding for Node, sorted by file name. */
  readonly libraries: readonly ProfileLibrary[];
  /** Execution provider, in ONNX Runtime's words. */
  readonly provider: string;
  /** `disabled`, `basic`, `extended`, `layout` or `all`. */
  readonly graphOptimizationLevel: string;
  /** Threads inside one operator. */
  readonly intraOpThreads: number;
  readonly executionMode: string;
  readonly deterministicCompute: boolean;
  /** CPU architecture as Node names it: `x64`, `arm64`. */
  readonly architecture: string;
  /** The processor features on which ONNX Runtime chooses its kernels, sorted, joined by `+`. */
  readonly instructionSet: string;
  /**
   * SHA-256(label ‖ ONNX Runtime's answers to a fixed probe): which kernels the processor really leads it to,
   * whatever `instructionSet` repeats of it.
   */
  readonly kernels: Uint8Array;
  /** Node's version. */
  readonly node: string;
  /** Assay's version. */
  readonly assay: string;
}

const TEXTS = [
  'runtime',
  'provider',
  'graphOptimizationLevel',
  'executionMode',
  'architecture',
  'instructionSet',
  'node',
  'assay',
] as const;

/** The profile as a CBOR map with its members' names as keys. */
export function profileToCbor(profile: ExecutionProfile): CborValue {
  return new Map<CborKey, CborValue>([
    ...TEXTS.map((key): [string, string] => [key, profile[key]]),
    [
      'libraries',
      profile.libraries.map(
        ({ file, sha256: digest }) =>
          new Map<CborKey, CborValue>([
            ['file', file],
            ['sha256', digest],
          ]),
      ),
    ],
    ['kernels', profile.kernels],
    ['intraOpThreads', profile.intraOpThreads],
    ['deterministicCompute', profile.deterministicCompute],
  ]);
}

function librariesFromCbor(items: readonly CborValue[]): ProfileLibrary[] {
  const libraries = items.map((item) => {
    const fields = new CborFields(item, 'a library of the profile', 'MANIFEST_ENCODING');
    const library = { file: fields.text('file'), sha256: fields.bytes('sha256', 32) };
    fields.end();
    return library;
  });
  libraries.forEach((library, i) => {
    const previous = libraries[i - 1];
    if (previous !== undefined && compareBytes(utf8(previous.file), utf8(library.file)) >= 0) {
      throw new AssayError('MANIFEST_ENCODING', 'expected the libraries to be sorted, each once');
    }
  });
  return libraries;
}

/** Reads what `profileToCbor` writes and nothing else; throws MANIFEST_ENCODING. */
export function profileFromCbor(fields: CborFields): ExecutionProfile {
  const profile = {
    runtime: fields.text('runtime'),
    libraries: librariesFromCbor(fields.array('libraries')),
    provider: fields.text('provider'),
    graphOptimizationLevel: fields.text('graphOptimizationLevel'),
    intraOpThreads: fields.unsigned('intraOpThreads'),
    executionMode: fields.text('executionMode'),
    deterministicCompute: fields.boolean('deterministicCompute'),
    architecture: fields.text('architecture'),
    instructionSet: fields.text('instructionSet'),
    kernels: fields.bytes('kernels', 32),
    node: fields.text('node'),
    assay: fields.text('assay'),
  };
  fields.end();
  return profile;
}

/**
 * `execution`: names this computation executed in this way.
 * SHA-256(label ‖ graph ‖ CBOR(profile)).
 * @param graph the model's graph digest, 32 bytes.
 */
export function executionDigest(
  graph: Uint8Array,
  profile: ExecutionProfile,
): Uint8Array<ArrayBuffer> {
  if (graph.length !== 32) {
    throw new AssayError(
      'MANIFEST_VALUE',
      `expected a graph digest of 32 bytes, not ${graph.length}`,
    );
  }
  return sha256(label('execution'), graph, encodeCbor(profileToCbor(profile)));
}
