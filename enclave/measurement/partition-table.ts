import { crc32 } from 'node:zlib';
import { AssayError } from '../../attestation/encoding/error.js';

/** At most this many bytes of a disk, from this byte on. */
export type ReadDisk = (at: number, length: number) => Promise<Uint8Array>;

/** UEFI 2.10 section 5.3: the header is in the second block, its fields are little-endian. */
const BLOCK = 512;
const HEADER = 92;
const REVISION_1 = 0x10000;
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

/** The header's block, whose checksum holds. */
async function readHeader(read: ReadDisk): Promise<Buffer> {
  const block = await readWhole(read, BLOCK, BLOCK);
  if (block.toString('latin1', 0, 8) !== 'EFI PART') {
    refuse(`no header is at byte ${BLOCK}, where disks with blocks of ${BLOCK} bytes have it`);
  }
  const [revision, size] = [block.readUInt32LE(8), block.readUInt32LE(12)];
  if (revision !== REVISION_1 || size < HEADER || size > BLOCK) {
    refuse(`its header has revision 0x${revision.toString(16)} and ${size} bytes`);
  }
  const summed = Buffer.from(block.subarray(0, size));
  summed.fill(0, 16, 20);
  if (crc32(summed) !== block.readUInt32LE(16)) refuse("its header's checksum does not hold");
  return block;
}

/** Every entry of the table that the header describes, also unused ones. */
async function readEntries(read: ReadDisk, header: Buffer): Promise<Buffer[]> {
  const [first, count, size] = [
    header.readBigUInt64LE(72),
    header.readUInt32LE(80),
    header.readUInt32LE(84),
  ];
  const length = count * size;
  if (size < LEAST_ENTRY || size % LEAST_ENTRY !== 0 || length > MOST_OF_ENTRIES || count === 0) {
    refuse(`its header names ${count} entries of ${size} bytes`);
  }
  if (first < 2n || first >= 2n ** 40n) refuse(`its header names entries at block ${first}`);
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
