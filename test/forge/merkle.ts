import { merkleRoot } from '../../attestation/encoding/merkle.js';

/** The largest power of two below `size` (`size` at least 2). */
function splitPoint(size: number): number {
  return 2 ** Math.ceil(Math.log2(size) - 1);
}

/** Inclusion path of leaf `index`, from the leaf upwards: RFC 9162 section 2.1.3.1 to the letter. */
export function inclusionPath(leaves: readonly Uint8Array[], index: number): Uint8Array[] {
  if (leaves.length === 1) return [];
  const k = splitPoint(leaves.length);
  return index < k
    ? [...inclusionPath(leaves.slice(0, k), index), merkleRoot(leaves.slice(k))]
    : [...inclusionPath(leaves.slice(k), index - k), merkleRoot(leaves.slice(0, k))];
}

/** Consistency proof from the tree of the first `oldSize` leaves: RFC 9162 section 2.1.4.1 to the letter. */
export function consistencyPath(leaves: readonly Uint8Array[], oldSize: number): Uint8Array[] {
  const walk = (part: readonly Uint8Array[], m: number, whole: boolean): Uint8Array[] => {
    if (m === part.length) return whole ? [] : [merkleRoot(part)];
    const k = splitPoint(part.length);
    return m <= k
      ? [...walk(part.slice(0, k), m, whole), merkleRoot(part.slice(k))]
      : [...walk(part.slice(k), m - k, false), merkleRoot(part.slice(0, k))];
  };
  return walk(leaves, oldSize, true);
}
