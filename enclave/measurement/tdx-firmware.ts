import { AssayError } from '../../attestation/encoding/error.js';
import { type Firmware, fromEnd, tableEntry } from './firmware.js';

const TDX_METADATA = 'e47a6535-984a-4798-865e-4685a7bf8ec2';
const MAX_SECTIONS = 64;
const MAX_SECTION_BYTES = 64n * 1024n * 1024n;
const PAGE = 4096n;

/** Intel TDX Virtual Firmware Design Guide, "TDVF metadata": attributes of a section. */
const MR_EXTEND = 1;
const PAGE_AUG = 2;

/** Pages that the host adds before the TD starts. */
export interface TdvfSection {
  readonly data: Uint8Array;
  readonly address: bigint;
  readonly size: bigint;
  /** Contents count towards MRTD. */
  readonly measured: boolean;
  /** Added by the guest at run time: not in MRTD at all. */
  readonly augmented: boolean;
}

/** Reads the TDVF descriptor; MEASUREMENT_FIRMWARE where the firmware cannot start a TD. */
export function readTdvfSections(firmware: Firmware): TdvfSection[] {
  const entry = tableEntry(firmware, TDX_METADATA);
  if (entry === undefined) {
    throw new AssayError(
      'MEASUREMENT_FIRMWARE',
      'this firmware has no TDVF metadata: it cannot start a TDX guest',
    );
  }
  const metadata = fromEnd(firmware, entry, 'the TDVF descriptor');
  const signature = Buffer.from(metadata.bytes(4, 'signature')).toString('latin1');
  metadata.u32le('length');
  const version = metadata.u32le('version');
  const count = metadata.u32le('number of sections');
  if (signature !== 'TDVF' || version !== 1 || count > MAX_SECTIONS) {
    throw new AssayError(
      'MEASUREMENT_FIRMWARE',
      `expected a TDVF descriptor of version 1, not ${JSON.stringify(signature)} ${version}`,
    );
  }
  const sections = Array.from({ length: count }, (_, index) => {
    const dataOffset = metadata.u32le(`data offset of section ${index}`);
    const dataSize = metadata.u32le(`data size of section ${index}`);
    const address = metadata.u64le(`address of section ${index}`);
    const size = metadata.u64le(`size of section ${index}`);
    metadata.u32le(`type of section ${index}`);
    const attributes = metadata.u32le(`attributes of section ${index}`);
    const measured = (attributes & MR_EXTEND) !== 0;
    const sound =
      address % PAGE === 0n &&
      size % PAGE === 0n &&
      size <= MAX_SECTION_BYTES &&
      size >= BigInt(dataSize) &&
      dataOffset + dataSize <= firmware.image.length &&
      (!measured || BigInt(dataSize) === size);
    if (!sound) {
      throw new AssayError('MEASUREMENT_FIRMWARE', `TDVF section ${index} has impossible bounds`);
    }
    return {
      data: firmware.image.subarray(dataOffset, dataOffset + dataSize),
      address,
      size,
      measured,
      augmented: (attributes & PAGE_AUG) !== 0,
    };
  });
  assertDisjoint(sections);
  return sections;
}

/** A page cannot be added twice: the TDX module refuses, and no TD would start. */
function assertDisjoint(sections: readonly TdvfSection[]): void {
  const sorted = sections
    .filter(({ augmented }) => !augmented)
    .sort((a, b) => (a.address < b.address ? -1 : 1));
  for (const [index, { address }] of sorted.entries()) {
    const before = sorted[index - 1];
    if (before === undefined || before.address + before.size <= address) continue;
    throw new AssayError(
      'MEASUREMENT_FIRMWARE',
      `two TDVF sections share the page at 0x${address.toString(16)}`,
    );
  }
}
