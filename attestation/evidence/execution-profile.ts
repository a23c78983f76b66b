import { type CborKey, type CborValue, encodeCbor } from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import type { CborFields } from '../encoding/fields.js';
import { label, sha256 } from '../encoding/hash.js';

/**
 * Everything that can change the bits of an answer. Two nodes with equal graph and profile give equal
 * bits; a difference in any member is a reason to expect other bits, not a proof of it.
 */
export interface ExecutionProfile {
  /** ONNX Runtime's version. */
  readonly runtime: string;
  /** SHA-256 of ONNX Runtime's shared library. */
  readonly library: Uint8Array;
  /** SHA-256 of its binding for Node. */
  readonly binding: Uint8Array;
  /** Execution provider, `cpu`. */
  readonly provider: string;
  /** Graph optimisation level, in ONNX Runtime's words: `disabled`, `basic`, `extended`, `all`. */
  readonly optimization: string;
  readonly intraOpThreads: number;
  readonly interOpThreads: number;
  /** ONNX Runtime's deterministic-compute flag. */
  readonly deterministic: boolean;
  /** CPU architecture as Node names it: `x64`, `arm64`. */
  readonly architecture: string;
  /** Instruction-set level that decides the kernels, for example `avx512`, `avx2`. */
  readonly instructions: string;
  /** Node's version. */
  readonly node: string;
  /** Assay's version. */
  readonly assay: string;
}

const TEXTS = [
  'runtime',
  'provider',
  'optimization',
  'architecture',
  'instructions',
  'node',
  'assay',
] as const;

/** The profile as a CBOR map with its members' names as keys. */
export function profileToCbor(profile: ExecutionProfile): CborValue {
  return new Map<CborKey, CborValue>([
    ...TEXTS.map((key): [string, string] => [key, profile[key]]),
    ['library', profile.library],
    ['binding', profile.binding],
    ['intraOpThreads', profile.intraOpThreads],
    ['interOpThreads', profile.interOpThreads],
    ['deterministic', profile.deterministic],
  ]);
}

/** Reads what `profileToCbor` writes and nothing else; errors carry the code of `fields`. */
export function profileFromCbor(fields: CborFields): ExecutionProfile {
  const profile = {
    runtime: fields.text('runtime'),
    library: fields.bytes('library', 32),
    binding: fields.bytes('binding', 32),
    provider: fields.text('provider'),
    optimization: fields.text('optimization'),
    intraOpThreads: fields.unsigned('intraOpThreads'),
    interOpThreads: fields.unsigned('interOpThreads'),
    deterministic: fields.boolean('deterministic'),
    architecture: fields.text('architecture'),
    instructions: fields.text('instructions'),
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
