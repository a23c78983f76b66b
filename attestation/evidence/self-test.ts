import { type CborKey, type CborValue, encodeCbor } from '../encoding/cbor.js';
import type { CborFields } from '../encoding/fields.js';
import { label, portableSha256, type Sha256Factory, sha256 } from '../encoding/hash.js';

/**
 * What a node found when it ran a model's test vectors before it served the model: every output was
 * within the publisher's tolerance, or the model would not be served. Two nodes with equal `vectors`
 * and equal `outputs` compute the same bits.
 */
export interface SelfTest {
  /** Digest of the vectors: inputs and expected outputs. */
  readonly vectors: Uint8Array;
  /** Digest of the outputs that this node computed. */
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

/**
 * Digest of lists of tensors, one list a test set: SHA-256(label ‖ CBOR of the lists), a tensor as
 * [name, datatype, shape, SHA-256 of its data].
 */
export function vectorsDigest(
  sets: readonly (readonly VectorTensor[])[],
  hash: Sha256Factory = portableSha256,
): Uint8Array<ArrayBuffer> {
  const digest = (data: Uint8Array): Uint8Array => {
    const running = hash();
    running.update(data);
    return new Uint8Array(running.digest());
  };
  const lists: CborValue = sets.map((tensors) =>
    tensors.map(({ name, datatype, shape, data }) => [name, datatype, shape, digest(data)]),
  );
  return sha256(label('test-vectors'), encodeCbor(lists));
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
