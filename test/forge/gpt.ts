import { crc32 } from 'node:zlib';

export interface ForgedTable {
  /** Of 512 bytes each. */
  readonly blocks?: number;
  readonly entrySize?: number;
  readonly entryCount?: number;
  readonly entriesAt?: bigint;
  /** The header's own block, as it says. */
  readonly headerAt?: bigint;
  /** First block that partitions may have. */
  readonly usableFrom?: bigint;
  readonly headerSize?: number;
  readonly revision?: number;
  /** Entries from the first on; all others are unused. */
  readonly entries: readonly Uint8Array[];
}

/** Block 0: one partition of type 0xEE from block 1 on (UEFI 2.10 section 5.2.3). */
export const PROTECTIVE_MBR = Buffer.alloc(512);
PROTECTIVE_MBR.set([0, 0, 2, 0, 0xee, 0xff, 0xff, 0xff, 1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff], 446);
PROTECTIVE_MBR.set([0x55, 0xaa], 510);

/** A partition's entry: its type, and the first and last block, without a name. */
export function forgeEntry(type: number, first: bigint, last: bigint, size = 128): Buffer {
  const entry = Buffer.alloc(size);
  entry.fill(type, 0, 16);
  entry.fill(0x55, 16, 32);
  entry.writeBigUInt64LE(first, 32);
  entry.writeBigUInt64LE(last, 40);
  return entry;
}

/** The start of a disk with a GUID partition table (UEFI 2.10 section 5.3); its checksums hold. */
export function forgeDisk(table: ForgedTable): Buffer {
  const { blocks = 64, entrySize = 128, entryCount = 128, entriesAt = 2n } = table;
  const { headerSize = 92, revision = 0x10000, headerAt = 1n, usableFrom = 34n, entries } = table;
  const disk = Buffer.alloc(blocks * 512);
  disk.set(PROTECTIVE_MBR);
  const array = Buffer.alloc(entryCount * entrySize);
  entries.forEach((entry, i) => {
    array.set(entry, i * entrySize);
  });
  const place = Number(entriesAt) * 512;
  if (place + array.length <= disk.length) disk.set(array, place);
  const header = disk.subarray(512, 1024);
  header.fill(0);
  header.write('EFI PART', 'latin1');
  header.writeUInt32LE(revision, 8);
  header.writeUInt32LE(headerSize, 12);
  header.writeBigUInt64LE(headerAt, 24);
  header.writeBigUInt64LE(BigInt(blocks - 1), 32);
  header.writeBigUInt64LE(usableFrom, 40);
  header.writeBigUInt64LE(BigInt(blocks - 34), 48);
  header.fill(0xaa, 56, 72);
  header.writeBigUInt64LE(entriesAt, 72);
  header.writeUInt32LE(entryCount, 80);
  header.writeUInt32LE(entrySize, 84);
  header.writeUInt32LE(crc32(array), 88);
  header.writeUInt32LE(crc32(header.subarray(0, Math.min(headerSize, 512))), 16);
  return disk;
}
