import { concat } from '../../attestation/encoding/bytes.js';
import { guidBytes } from '../../enclave/measurement/guid.js';

/** A section of the forged SEV metadata; kinds by the numbers of edk2. */
type ForgedSection = readonly [address: number, size: number, kind: number];

export interface ForgedTdvfSection {
  readonly dataOffset: number;
  readonly dataSize: number;
  readonly address: bigint;
  readonly size: bigint;
  readonly type: number;
  readonly attributes: number;
}

export interface ForgedOvmf {
  /** Bytes of the whole image, whole pages. */
  readonly size?: number;
  readonly fill?: number;
  readonly resetAddress?: number;
  readonly hashTableAddress?: number;
  readonly sev?: readonly ForgedSection[];
  readonly tdvf?: readonly ForgedTdvfSection[];
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}

function u32(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  values.forEach((value, index) => {
    view.setUint32(4 * index, value, true);
  });
  return bytes;
}

function u64(value: bigint): Uint8Array {
  const bytes = new Uint8Array(8);
  new DataView(bytes.buffer).setBigUint64(0, value, true);
  return bytes;
}

function entry(guid: string, contents: Uint8Array): Uint8Array {
  return concat(contents, u16(contents.length + 18), guidBytes(guid));
}

/** A firmware image with OVMF's self-description and nothing that runs. */
export function forgeOvmf(options: ForgedOvmf): Uint8Array<ArrayBuffer> {
  const image = new Uint8Array(options.size ?? 4096).fill(options.fill ?? 0x90);
  const place = (bytes: Uint8Array, distance: number): void =>
    image.set(bytes, image.length - distance);
  const entries: Uint8Array[] = [];
  if (options.sev !== undefined) {
    const sections = options.sev.flatMap((section) => [...section]);
    const metadata = concat(
      Buffer.from('ASEV'),
      u32(16 + 4 * sections.length, 1, options.sev.length, ...sections),
    );
    place(metadata, 0x600);
    entries.push(entry('dc886566-984a-4798-a75e-5585a7bf67cc', u32(0x600)));
  }
  if (options.tdvf !== undefined) {
    const sections = options.tdvf.map((section) =>
      concat(
        u32(section.dataOffset, section.dataSize),
        u64(section.address),
        u64(section.size),
        u32(section.type, section.attributes),
      ),
    );
    place(
      concat(Buffer.from('TDVF'), u32(16 + 32 * sections.length, 1, sections.length), ...sections),
      0xa00,
    );
    entries.push(entry('e47a6535-984a-4798-865e-4685a7bf8ec2', u32(0xa00)));
  }
  if (options.hashTableAddress !== undefined) {
    const contents = u32(options.hashTableAddress, 0x400);
    entries.push(entry('7255371f-3a3b-4b04-927b-1da6efa8d454', contents));
  }
  if (options.resetAddress !== undefined) {
    entries.push(entry('00f771de-1a7e-4fcb-890e-68c77e2fb44e', u32(options.resetAddress)));
  }
  const contents = concat(...entries);
  const footer = entry('96b582de-1fb2-45f7-baea-a366c55a082d', new Uint8Array());
  const table = concat(contents, footer);
  table.set(u16(table.length), contents.length);
  place(table, 32 + table.length);
  return image;
}

const MEMORY = 1;
const SECRETS = 2;
const CPUID = 3;
const CALLING_AREA = 4;
const KERNEL_HASHES = 0x10;

/** What edk2's AmdSev build of 2023 asks of the host: as in virtee/sev-snp-measure's fixture. */
export const AMD_SEV_2023: ForgedOvmf = {
  resetAddress: 0x80b004,
  hashTableAddress: 0x810c00,
  sev: [
    [0x800000, 0x9000, MEMORY],
    [0x80a000, 0x3000, MEMORY],
    [0x80d000, 0x1000, SECRETS],
    [0x80e000, 0x1000, CPUID],
    [0x80f000, 0x1000, CALLING_AREA],
    [0x810000, 0x1000, KERNEL_HASHES],
    [0x811000, 0xf000, MEMORY],
  ],
};

/** A variable of firmware: its name, its data, and its state, which is that of one that counts unless given. */
export type ForgedVariable = readonly [name: string, data: readonly number[], state?: number];

/** A store of variables as firmware images come with it (edk2 `AuthenticatedVariableFormat.h`). */
export function forgeVariables(variables: readonly ForgedVariable[]): Uint8Array<ArrayBuffer> {
  const entries = variables.map(([name, data, state = 0x3f]) => {
    const text = Buffer.from(`${name}\0`, 'utf16le');
    const header = concat(u16(0x55aa), Uint8Array.of(state, 0), new Uint8Array(32));
    const sizes = concat(u32(text.length, data.length), new Uint8Array(16));
    const whole = concat(header, sizes, text, Uint8Array.from(data));
    return concat(whole, new Uint8Array(-whole.length & 3));
  });
  const store = concat(...entries);
  const guid = guidBytes('aaf32c78-947b-439a-a180-2e144ec37792');
  return concat(guid, u32(28 + store.length, 0xfe5a, 0), store);
}
