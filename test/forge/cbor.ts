import {
  type CborKey,
  type CborValue,
  decodeCbor,
  encodeCbor,
  isCborMap,
} from '../../attestation/encoding/cbor.js';

/** Leads to a map within a value: members of maps, places in arrays. */
export type MapPath = readonly CborKey[];

/** Every map in a value, itself included. */
export function mapsIn(
  value: CborValue,
  path: MapPath = [],
): (readonly [MapPath, ReadonlyMap<CborKey, CborValue>])[] {
  if (Array.isArray(value)) return value.flatMap((item, i) => mapsIn(item, [...path, i]));
  if (!isCborMap(value)) return [];
  return [[path, value], ...[...value].flatMap(([key, item]) => mapsIn(item, [...path, key]))];
}

/** Changes the members of an encoded CBOR map, or of one within it. */
export function editMap(
  bytes: Uint8Array,
  edit: (members: Map<CborKey, CborValue>) => void,
  path: MapPath = [],
): Uint8Array {
  const edited = (value: CborValue | undefined, [step, ...rest]: MapPath): CborValue => {
    if (Array.isArray(value)) {
      return value.map((item, i) => (i === step ? edited(item, rest) : item));
    }
    if (!isCborMap(value)) throw new Error('expected a map');
    const members = new Map(value);
    if (step === undefined) edit(members);
    else members.set(step, edited(members.get(step), rest));
    return members;
  };
  return encodeCbor(edited(decodeCbor(bytes), path));
}

/** A copy with one bit of the byte at `offset` turned; negative offsets count from the end. */
export function flip(bytes: Uint8Array, offset: number): Uint8Array {
  const copy = new Uint8Array(bytes);
  const at = offset < 0 ? bytes.length + offset : offset;
  copy[at] = (copy[at] ?? 0) ^ 1;
  return copy;
}
