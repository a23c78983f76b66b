import { crc32 } from 'node:zlib';
import { AssayError } from '../../attestation/encoding/error.js';

/** At most this many bytes of a disk, from this byte on. */
export type ReadDisk = (at: number, length: number) => Promise<Uint8Array>;

/** UEFI 2.10 section 5.3: the header is in the second block, its fields are little-endian. */
const BLOCK = 512;
const HEADER = 92;
const REVISION_1 = 0x10000;
/** Entries have this many bytes, or twice as many once or more. */
const LEAST_ENTRY = 128;
/** Tables have 16 KiB; no header makes more than this be read. */
const MOST_OF_ENTRIES = 1024 * 1024;

function refuse(what: string): never {
  throw new AssayError('MEASUREMENT_DISK', `expected a disk with a GUID partition table: ${what}`);
}

async function readWhole(read: ReadDisk, at: number, length: number): Promise<Buffer> {
  const bytes = Buffer.from(await read(at, length));
  if (bytes.length < length) refuse(`the disk ends within the ${length} bytes at ${at}`);
  return bytes;
}

/**
 * Throws unless the first block protects the table from what knows none: one of its four records, from byte 446
 * on, is of type 0xEE and begins at block 1 (UEFI 2.10 section 5.2.3).
 */
function requireProtectiveMbr(block: Buffer): void {
  const isProtective = [446, 462, 478, 494].some(
    (at) => block[at + 4] === 0xee && block.readUInt32LE(at + 8) === 1,
  );
  if (!isProtective || block.readUInt16BE(510) !== 0x55aa) {
    refuse('its first block is no protective MBR');
  }
}

/** The header's block, whose checksum holds. */
async function readHeader(read: ReadDisk): Promise<Buffer> {
  const blocks = await readWhole(read, 0, 2 * BLOCK);
  const block = blocks.subarray(BLOCK);
  if (block.toString('latin1', 0, 8) !== 'EFI PART') {
    refuse(`no header is at byte ${BLOCK}, where disks with blocks of ${BLOCK} bytes have it`);
  }
  requireProtectiveMbr(blocks);
  const [revision, size] = [block.readUInt32LE(8), block.readUInt32LE(12)];
  if (revision !== REVISION_1 || size < HEADER || size > BLOCK) {
    refuse(`its header has revision 0x${revision.toString(16)} and ${size} bytes`);
  }
  const summed = Buffer.from(block.subarray(0, size));
  summed.fill(0, 16, 20);
  if (crc32(summed) !== block.readUInt32LE(16)) refuse("its header's checksum does not hold");
  const place = block.readBigUInt64LE(24);
  if (place !== 1n) refuse(`its header says that it is block ${place}, not 1`);
  return block;
}

/** Every entry of the table that the header describes, also unused ones. */
async function readEntries(read: ReadDisk, header: Buffer): Promise<Buffer[]> {
  const [usable, first, count, size] = [
    header.readBigUInt64LE(40),
    header.readBigUInt64LE(72),
    header.readUInt32LE(80),
    header.readUInt32LE(84),
  ];
  const length = count * size;
  const isSize = size >= LEAST_ENTRY && Number.isInteger(Math.log2(size / LEAST_ENTRY));
  if (!isSize || length > MOST_OF_ENTRIES || count === 0) {
    refuse(`its header names ${count} entries of ${size} bytes`);
  }
  if (first < 2n || first >= usable || first >= 2n ** 40n) {
    refuse(`its header names entries at block ${first}, and partitions from block ${usable} on`);
  }
  const whole = await readWhole(read, Number(first) * BLOCK, length);
  if (crc32(whole) !== header.readUInt32LE(88)) refuse("its entries' checksum does not hold");
  return Array.from({ length: count }, (_, i) => whole.subarray(i * size, (i + 1) * size));
}

/**
 * The data of EV_EFI_GPT_EVENT, which firmware measures of the disk that it starts an image from (TCG PC
 * Client Platform Firmware Profile, UEFI_GPT_DATA): the header, the number of entries in use, and these
 * entries. Of the disk no more than a megabyte is read. Throws MEASUREMENT_DISK for a disk whose table
 * firmware would not take; blocks have 512 bytes.
 */
export async function partitionTableEvent(read: ReadDisk): Promise<Buffer> {
  const header = await readHeader(read);
  const used = (await readEntries(read, header)).filter((entry) =>
    entry.subarray(0, 16).some((byte) => byte !== 0),
  );
  const count = Buffer.alloc(8);
  count.writeBigUInt64LE(BigInt(used.length));
  return Buffer.concat([header.subarray(0, HEADER), count, ...used]);
}
