import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { partitionTableEvent } from '../../../enclave/measurement/partition-table.js';
import { forgeDisk, forgeEntry } from '../../forge/gpt.js';

const reader = (disk: Uint8Array) => async (at: number, length: number) =>
  disk.subarray(at, at + length);
const measured = (disk: Uint8Array): Promise<Buffer> => partitionTableEvent(reader(disk));

const SYSTEM = forgeEntry(1, 2048n, 4095n);
const DATA = forgeEntry(2, 4096n, 8191n);
const UNUSED = Buffer.alloc(128);

suite('what firmware measures of a partition table', () => {
  for (const [what, disk, entries] of [
    ['one partition', forgeDisk({ entries: [SYSTEM] }), [SYSTEM]],
    ['unused entries between', forgeDisk({ entries: [DATA, UNUSED, SYSTEM] }), [DATA, SYSTEM]],
    [
      'larger entries, elsewhere',
      forgeDisk({ entrySize: 256, entriesAt: 4n, entryCount: 8, entries: [SYSTEM] }),
      [Buffer.concat([SYSTEM, UNUSED])],
    ],
    ['a larger header', forgeDisk({ headerSize: 512, entries: [SYSTEM] }), [SYSTEM]],
  ] as const) {
    test(`of ${what}: the header, how many entries are in use, and these`, async () => {
      const count = Buffer.alloc(8);
      count[0] = entries.length;
      const expected = Buffer.concat([disk.subarray(512, 604), count, ...entries]);
      assert.deepEqual(await measured(disk), expected);
    });
  }

  test('is had from header and entries alone, however large the disk is', async () => {
    const disk = forgeDisk({ entries: [SYSTEM] });
    const reads: (readonly [number, number])[] = [];
    await partitionTableEvent((at, length) => {
      reads.push([at, length]);
      return reader(disk)(at, length);
    });
    assert.deepEqual(reads, [
      [0, 1024],
      [1024, 128 * 128],
    ]);
  });

  const changed = (at: number): Buffer => {
    const disk = forgeDisk({ entries: [SYSTEM] });
    disk.writeUInt8(disk.readUInt8(at) ^ 0x11, at);
    return disk;
  };
  const entries = [SYSTEM];
  for (const [what, disk, says] of [
    ['no bytes', Buffer.alloc(0), /ends within the 1024 bytes at 0/],
    ['an image that is no disk', Buffer.alloc(4096), /no header is at byte 512/],
    ['another revision', forgeDisk({ revision: 0x20000, entries }), /revision 0x20000/],
    ['a header that is too short', forgeDisk({ headerSize: 91, entries }), /and 91 bytes/],
    ['a header beyond its block', forgeDisk({ headerSize: 513, entries }), /and 513 bytes/],
    ['a changed header', changed(512 + 60), /header's checksum/],
    ['a header of another block', forgeDisk({ headerAt: 2n, entries }), /is block 2, not 1$/],
    ['no protective MBR', changed(446 + 4), /no protective MBR/],
    ['a protective MBR that begins elsewhere', changed(446 + 8), /no protective MBR/],
    ['a protective MBR without its signature', changed(511), /no protective MBR/],
    ['a changed entry', changed(1024 + 40), /entries' checksum/],
    ['no entries', forgeDisk({ entryCount: 0, entries: [] }), /0 entries of 128 bytes/],
    ['entries of another size', forgeDisk({ entrySize: 192, entries }), /entries of 192 bytes/],
    ['entries of thrice the size', forgeDisk({ entrySize: 384, entries }), /of 384 bytes/],
    ['entries of half the size', forgeDisk({ entrySize: 64, entries: [] }), /of 64 bytes/],
    ['entries of no size', forgeDisk({ entrySize: 0, entries: [] }), /of 0 bytes/],
    ['more entries than any', forgeDisk({ entryCount: 8193, entries }), /8193 entries of 128/],
    ['entries in the header', forgeDisk({ entriesAt: 1n, entries }), /entries at block 1,/],
    ['entries among partitions', forgeDisk({ entriesAt: 34n, entries }), /entries at block 34,/],
    [
      'entries nowhere',
      forgeDisk({ entriesAt: 2n ** 63n, usableFrom: 2n ** 64n - 1n, entries }),
      /entries at block 9223/,
    ],
    [
      'entries beyond its end',
      forgeDisk({ entriesAt: 100n, usableFrom: 200n, entries }),
      /the 16384 bytes at 51200/,
    ],
  ] as const) {
    test(`a disk with ${what} is refused`, async () => {
      await assert.rejects(measured(disk), { code: 'MEASUREMENT_DISK', message: says });
    });
  }
});
