import {
  type CborKey,
  type CborValue,
  decodeCbor,
  encodeCbor,
  isCborMap,
} from '../../attestation/encoding/cbor.js';

/** Changes the members of an encoded CBOR map. */
export function editMap(
  bytes: Uint8Array,
  edit: (members: Map<CborKey, CborValue>) => void,
): Uint8Array {
  const value = decodeCbor(bytes);
  if (!isCborMap(value)) throw new Error('expected a map');
  const members = new Map(value);
  edit(members);
  return encodeCbor(members);
}

/** A copy with one bit of the byte at `offset` turned; negative offsets count from the end. */
export function flip(bytes: Uint8Array, offset: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  const at = offset < 0 ? bytes.length + offset : offset;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
