import { type CborKey, type CborValue, encodeCbor } from '../encoding/cbor.js';
import type { CborFields } from '../encoding/fields.js';
import { label, portableSha256, type Sha256Factory, sha256 } from '../encoding/hash.js';

/**
 * What a node found when it ran a model's test vectors before it served the model: every output was
 * within the publisher's tolerance, or the model would not be served. Two nodes with equal `vectors`
 * and equal `outputs` compute the same bits.
 */
export interface SelfTest {
  /** `vectorsDigest`: inputs, expected outputs and tolerances. */
  readonly vectors: Uint8Array;
  /** `outputsDigest` of what this node computed. */
  readonly outputs: Uint8Array;
  /** Number of test sets. */
  readonly sets: number;
  /** Test sets whose outputs are the expected ones bit for bit. */
  readonly identical: number;
}

/** A tensor as the Open Inference Protocol carries it. */
export interface VectorTensor {
  readonly name: string;
  readonly datatype: string;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** One test set: inputs, and the outputs that the publisher expects. */
export interface VectorSet {
  readonly inputs: readonly VectorTensor[];
  readonly outputs: readonly VectorTensor[];
}

/** How far an output may be from the expected one; what is absent is not bounded. */
export interface VectorLimits {
  /** With `relative`, as numpy.isclose: `|actual - reference| <= absolute + relative × |reference|`. */
  readonly absolute?: number | undefined;
  readonly relative?: number | undefined;
  /** Most representable numbers between an element and its reference. */
  readonly ulp?: number | undefined;
  /** Smallest cosine similarity of the output as a vector. */
  readonly cosine?: number | undefined;
  /** The k largest elements along the last axis must have the same indices. */
  readonly topK?: number | undefined;
}

/** Limits for each output; `default` is for those that `outputs` does not name. */
export interface VectorTolerances {
  readonly default?: VectorLimits | undefined;
  readonly outputs?: { readonly [name: string]: VectorLimits } | undefined;
}

/** IEEE 754 binary64, big-endian: Assay's CBOR has no floats. A negative zero counts as zero. */
function binary64(value: number): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setFloat64(0, value + 0);
  return bytes;
}

function limitsToCbor(limits: VectorLimits): CborValue {
  const members = ['absolute', 'relative', 'ulp', 'cosine', 'topK'] as const;
  return new Map<CborKey, CborValue>(
    members.flatMap((name) => {
      const value = limits[name];
      return value === undefined ? [] : [[name, binary64(value)] as const];
    }),
  );
}

function tolerancesToCbor(tolerances: VectorTolerances | null): CborValue {
  if (tolerances === null) return null;
  const outputs = Object.entries(tolerances.outputs ?? {});
  return new Map<CborKey, CborValue>([
    ['default', limitsToCbor(tolerances.default ?? {})],
    ['outputs', new Map(outputs.map(([name, limits]) => [name, limitsToCbor(limits)] as const))],
  ]);
}

function tensorsToCbor(tensors: readonly VectorTensor[], hash: Sha256Factory): CborValue {
  return tensors.map(({ name, datatype, shape, data }) => {
    const running = hash();
    running.update(data);
    return [name, datatype, [...shape], new Uint8Array(running.digest())];
  });
}

/**
 * Digest of a model's test vectors: SHA-256(label ‖ CBOR of {sets: [{inputs, outputs}], tolerances}), a
 * tensor as [name, datatype, shape, SHA-256 of its data].
 * @param tolerances null where the publisher declared none.
 */
export function vectorsDigest(
  sets: readonly VectorSet[],
  tolerances: VectorTolerances | null,
  hash: Sha256Factory = portableSha256,
): Uint8Array<ArrayBuffer> {
  const vectors = new Map<CborKey, CborValue>([
    [
      'sets',
      sets.map(
        ({ inputs, outputs }) =>
          new Map<CborKey, CborValue>([
            ['inputs', tensorsToCbor(inputs, hash)],
            ['outputs', tensorsToCbor(outputs, hash)],
          ]),
      ),
    ],
    ['tolerances', tolerancesToCbor(tolerances)],
  ]);
  return sha256(label('test-vectors'), encodeCbor(vectors));
}

/** Digest of the outputs that a node computed, one list of tensors a test set. */
export function outputsDigest(
  sets: readonly (readonly VectorTensor[])[],
  hash: Sha256Factory = portableSha256,
): Uint8Array<ArrayBuffer> {
  return sha256(label('test-outputs'), encodeCbor(sets.map((set) => tensorsToCbor(set, hash))));
}

/** The outcome as a CBOR map with its members' names as keys; null where there are no vectors. */
export function selfTestToCbor(outcome: SelfTest | null): CborValue {
  if (outcome === null) return null;
  return new Map<CborKey, CborValue>([
    ['vectors', outcome.vectors],
    ['outputs', outcome.outputs],
    ['sets', outcome.sets],
    ['identical', outcome.identical],
  ]);
}

/** Reads what `selfTestToCbor` writes and nothing else; undefined for numbers that cannot be. */
export function selfTestFromCbor(fields: CborFields): SelfTest | undefined {
  const outcome = {
    vectors: fields.bytes('vectors', 32),
    outputs: fields.bytes('outputs', 32),
    sets: fields.unsigned('sets'),
    identical: fields.unsigned('identical'),
  };
  fields.end();
  return outcome.sets > 0 && outcome.identical <= outcome.sets ? outcome : undefined;
}
