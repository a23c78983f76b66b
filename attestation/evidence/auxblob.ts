import { concat, fromHex, isZero, toHex } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { ByteReader } from '../encoding/reader.js';

/** What an entry of the host's certificate table holds; an ASVK travels as `ask`. */
export type AuxblobKind = 'vcek' | 'vlek' | 'ask' | 'ark' | 'crl';

/** GUIDs of the table (AMD 56421 "GHCB Specification", SNP Extended Guest Request). */
const GUIDS: readonly (readonly [AuxblobKind, string])[] = [
  ['vcek', '63da758d-e664-4564-adc5-f4b93be8accd'],
  ['vlek', 'a8074bc2-a25a-483e-aae6-39c045a0b8a1'],
  ['ask', '4ab7b379-bbac-4fe4-a02f-05aef327c782'],
  ['ark', 'c0b406a4-a803-4952-9743-3fb6014cd0ae'],
  ['crl', '92f81bc3-5811-4d3d-97ff-d19f88dc67ea'],
];

const ENTRY_SIZE = 24;
const MAX_ENTRIES = 32;

/** One entry: a certificate or a list as the host stored it, usually DER, sometimes PEM. */
export interface AuxblobEntry {
  /** `other` for a GUID that the GHCB specification does not define. */
  readonly kind: AuxblobKind | 'other';
  readonly data: Uint8Array;
}

const guidBytes = (guid: string): Uint8Array => fromHex(guid.replaceAll('-', ''));
const KINDS = new Map(GUIDS.map(([kind, guid]) => [toHex(guidBytes(guid)), kind]));

function fail(message: string): never {
  throw new AssayError('SNP_AUXBLOB', message);
}

/**
 * Parses the host's certificate table, which Linux hands out as `auxblob`: 24-byte entries (GUID,
 * offset, length) ended by a zero entry, then the data. The host is not trusted: every offset is
 * bounded, no GUID may repeat. Throws SNP_AUXBLOB.
 */
export function parseAuxblob(bytes: Uint8Array): readonly AuxblobEntry[] {
  const reader = new ByteReader(bytes, 'SNP_AUXBLOB');
  const places: { guid: string; offset: number; length: number }[] = [];
  for (;;) {
    const guid = reader.bytes(16, 'GUID');
    const [offset, length] = [reader.u32le('offset'), reader.u32le('length')];
    if (isZero(guid)) {
      if (offset !== 0 || length !== 0) fail('expected the last entry of the table to be all zero');
      break;
    }
    if (places.length === MAX_ENTRIES) fail(`expected at most ${MAX_ENTRIES} entries`);
    places.push({ guid: toHex(guid), offset, length });
  }
  if (new Set(places.map(({ guid }) => guid)).size !== places.length) {
    fail('expected each GUID of the table at most once');
  }
  return places.map(({ guid, offset, length }) => {
    if (offset < reader.offset || offset + length > bytes.length) {
      fail(`expected ${length} bytes at offset ${offset} between the table and its end`);
    }
    return { kind: KINDS.get(guid) ?? 'other', data: bytes.subarray(offset, offset + length) };
  });
}

/**
 * The certificates and lists of a host's table, without what
 * the specification does not define; throws SNP_AUXBLOB.
 */
export function endorsementsOf(table: Uint8Array | null): readonly Uint8Array[] {
  if (table === null) return [];
  return parseAuxblob(table)
    .filter(({ kind }) => kind !== 'other')
    .map(({ data }) => data);
}

/** Encodes a table as a host would; the data follows the entries in order. */
export function encodeAuxblob(
  entries: readonly { readonly kind: AuxblobKind; readonly data: Uint8Array }[],
): Uint8Array<ArrayBuffer> {
  let offset = (entries.length + 1) * ENTRY_SIZE;
  const table = entries.map(({ kind, data }) => {
    const entry = new Uint8Array(ENTRY_SIZE);
    const guid = GUIDS.find(([name]) => name === kind)?.[1] ?? '';
    entry.set(guidBytes(guid));
    const view = new DataView(entry.buffer);
    view.setUint32(16, offset, true);
    view.setUint32(20, data.length, true);
    offset += data.length;
    return entry;
  });
  return concat(...table, new Uint8Array(ENTRY_SIZE), ...entries.map(({ data }) => data));
}
