import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { ByteReader } from '../../attestation/encoding/reader.js';
import { guidBytes } from './guid.js';

/** What OVMF says of itself in the table that ends 32 bytes before the reset vector's end. */
const TABLE_FOOTER = '96b582de-1fb2-45f7-baea-a366c55a082d';
const ENTRY_HEADER = 18;
const AFTER_TABLE = 32;
const FOUR_GIB = 0x1_0000_0000;
const PAGE = 4096;

/** A virtual firmware image, mapped so that it ends at 4 GiB. */
export interface Firmware {
  readonly image: Uint8Array;
  /** Guest-physical address of its first byte. */
  readonly address: number;
  /** Contents of the table's entries, by GUID in hexadecimal of its bytes. */
  readonly table: ReadonlyMap<string, Uint8Array>;
}

function fail(message: string): never {
  throw new AssayError('MEASUREMENT_FIRMWARE', message);
}

/**
 * Reads OVMF's GUIDed table (edk2 `OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm`): entries of
 * contents, length and GUID, walked backwards from the footer.
 */
export function parseFirmware(image: Uint8Array): Firmware {
  if (image.length === 0 || image.length % PAGE !== 0 || image.length > 64 * 1024 * 1024) {
    fail(`expected a firmware image of whole 4 KiB pages up to 64 MiB, not ${image.length} bytes`);
  }
  const table = new Map<string, Uint8Array>();
  const end = image.length - AFTER_TABLE;
  const footer = readEntry(image, end);
  if (footer.guid === toHex(guidBytes(TABLE_FOOTER))) {
    const start = end - footer.length;
    if (start < 0 || footer.length < ENTRY_HEADER)
      fail('the GUIDed table is longer than the image');
    let at = end - ENTRY_HEADER;
    while (at - start >= ENTRY_HEADER) {
      const entry = readEntry(image, at);
      if (entry.length < ENTRY_HEADER || at - entry.length < start) {
        fail(`entry ${entry.guid} of the GUIDed table has the impossible length ${entry.length}`);
      }
      table.set(entry.guid, image.subarray(at - entry.length, at - ENTRY_HEADER));
      at -= entry.length;
    }
  }
  return { image, address: FOUR_GIB - image.length, table };
}

function readEntry(image: Uint8Array, end: number): { length: number; guid: string } {
  const reader = new ByteReader(image.subarray(end - ENTRY_HEADER, end), 'MEASUREMENT_FIRMWARE');
  return { length: reader.u16le('entry length'), guid: toHex(reader.bytes(16, 'GUID')) };
}

/** Contents of the entry with this GUID, as a reader; undefined where the firmware has none. */
export function tableEntry(firmware: Firmware, guid: string): ByteReader | undefined {
  const contents = firmware.table.get(toHex(guidBytes(guid)));
  return contents && new ByteReader(contents, 'MEASUREMENT_FIRMWARE');
}

/** The bytes that an entry points to by their distance from the end of the image. */
export function fromEnd(firmware: Firmware, entry: ByteReader, what: string): ByteReader {
  const distance = entry.u32le(`offset of ${what}`);
  if (distance === 0 || distance > firmware.image.length) {
    fail(`${what} lies ${distance} bytes before the end of an image of ${firmware.image.length}`);
  }
  const start = firmware.image.length - distance;
  return new ByteReader(firmware.image.subarray(start), 'MEASUREMENT_FIRMWARE');
}
