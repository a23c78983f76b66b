import { crc32 } from 'node:zlib';
import { withoutSections } from '../../enclave/image/elf.js';
import { authenticodeSha384, peSections } from '../../enclave/measurement/authenticode.js';
import { parseFirmware } from '../../enclave/measurement/firmware.js';
import { mrtd } from '../../enclave/measurement/mrtd.js';
import { partitionTableEvent } from '../../enclave/measurement/partition-table.js';
import { enforcesSecureBoot } from '../../enclave/measurement/secure-boot.js';
import { readSevMetadata } from '../../enclave/measurement/snp-firmware.js';
import { readUki } from '../../enclave/measurement/systemd-stub.js';
import { forgeElf } from '../forge/elf.js';
import { forgeDisk, forgeEntry } from '../forge/gpt.js';
import { AMD_SEV_2023, forgeOvmf, forgeVariables } from '../forge/ovmf.js';
import { forgePe } from '../forge/pe.js';
import { fuzz } from './harness.js';

/** Firmware is whole pages: what mutates is the page that describes the rest. */
const whole = (bytes: Uint8Array): Uint8Array => {
  const image = new Uint8Array(4096);
  image.set(bytes.subarray(-4096), 4096 - Math.min(4096, bytes.length));
  return image;
};

fuzz({
  name: 'firmware for SEV-SNP',
  seeds: [forgeOvmf(AMD_SEV_2023).subarray(-0x700)],
  decode: (bytes) => {
    readSevMetadata(parseFirmware(whole(bytes)));
    return undefined;
  },
});

const tdvf = [{ dataOffset: 0, dataSize: 0x1000, address: 0xffff_f000n, size: 0x1000n }];

fuzz({
  name: 'firmware for TDX',
  seeds: [
    forgeOvmf({ tdvf: tdvf.map((section) => ({ ...section, type: 0, attributes: 1 })) }),
    forgeOvmf({ tdvf: tdvf.map((section) => ({ ...section, type: 1, attributes: 0 })) }),
  ].map((image) => image.subarray(-0xb00)),
  decode: (bytes) => {
    mrtd(parseFirmware(whole(bytes)));
    return undefined;
  },
});

fuzz({
  name: 'variables of firmware',
  seeds: [
    forgeVariables([
      ['PK', [1, 2, 3]],
      ['SecureBootEnable', [0]],
    ]),
  ],
  decode: (bytes) => {
    enforcesSecureBoot(bytes);
    return undefined;
  },
});

fuzz({
  name: 'PE images',
  seeds: [
    forgePe([
      ['.text', new Uint8Array(600)],
      ['.linux', Uint8Array.of(1)],
    ]).bytes,
  ],
  decode: (bytes) => {
    peSections(bytes);
    authenticodeSha384(bytes);
    return undefined;
  },
});

fuzz({
  name: 'unified kernel images',
  seeds: [
    forgePe([
      ['.linux', Uint8Array.of(1)],
      ['.cmdline', Buffer.from(' quiet\n')],
      ['.initrd', Uint8Array.of(2)],
      ['.osrel', Buffer.from('ID=x')],
    ]).bytes,
  ],
  decode: (bytes) => {
    readUki(bytes);
    return undefined;
  },
});

fuzz({
  name: 'ELF programs',
  seeds: [forgeElf(), withoutSections(forgeElf())],
  decode: (bytes) => {
    const kept = withoutSections(Buffer.from(bytes));
    if (!kept.equals(withoutSections(kept))) throw new Error('a program without sections has some');
    return undefined;
  },
});

const SMALL = { entryCount: 4, entries: [forgeEntry(1, 2048n, 4095n)] };

/** The disk with the checksum that its header has to have, so that what it says is looked at. */
function sealed(disk: Buffer): Buffer {
  if (disk.length < 1024) return disk;
  const header = disk.subarray(512, 512 + Math.min(512, disk.readUInt32LE(524)));
  if (header.length < 20) return disk;
  header.fill(0, 16, 20);
  header.writeUInt32LE(crc32(header), 16);
  return disk;
}

fuzz({
  name: 'partition tables',
  seeds: [forgeDisk(SMALL), forgeDisk({ ...SMALL, entrySize: 256, headerSize: 512 })].map((disk) =>
    disk.subarray(0, 2048),
  ),
  decode: async (bytes) => {
    const disk = sealed(Buffer.from(bytes));
    await partitionTableEvent(async (at, length) => disk.subarray(at, at + length));
    return undefined;
  },
});
