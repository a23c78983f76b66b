import { AssayError } from '../../attestation/encoding/error.js';
import type { ByteReader } from '../../attestation/encoding/reader.js';
import { type Firmware, fromEnd, tableEntry } from './firmware.js';

const SEV_HASH_TABLE = '7255371f-3a3b-4b04-927b-1da6efa8d454';
const SEV_ES_RESET_BLOCK = '00f771de-1a7e-4fcb-890e-68c77e2fb44e';
const SEV_METADATA = 'dc886566-984a-4798-a75e-5585a7bf67cc';
const MAX_SECTIONS = 64;
const PAGE = 4096;
/** Far more than any firmware asks for; it bounds the work that a forged image can cause. */
const MAX_SECTION = 16 * 1024 * 1024;

/** edk2 `OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm`, section types. */
const KINDS = {
  1: 'memory',
  2: 'secrets',
  3: 'cpuid',
  4: 'svsm-caa',
  16: 'kernel-hashes',
} as const;

/** Pages that the host must add before the guest starts. */
export interface SevSection {
  readonly address: number;
  /** Bytes, whole pages. */
  readonly size: number;
  readonly kind: (typeof KINDS)[keyof typeof KINDS];
}

export interface SevMetadata {
  /** Whether the firmware describes itself for SEV-SNP: QEMU starts none that does not. */
  readonly described: boolean;
  readonly sections: readonly SevSection[];
  /** Where the host puts the hashes of kernel, initrd and command line; 0 where it may not. */
  readonly hashTableAddress: number;
  /** First instruction of every processor but the first. */
  readonly resetAddress: number;
}

function fail(message: string): never {
  throw new AssayError('MEASUREMENT_FIRMWARE', message);
}

/** Reads what OVMF asks of an SEV-SNP host. */
export function readSevMetadata(firmware: Firmware): SevMetadata {
  const entry = tableEntry(firmware, SEV_METADATA);
  const reset = tableEntry(firmware, SEV_ES_RESET_BLOCK);
  if (reset === undefined) {
    return fail('this firmware has no SEV-ES reset block: it cannot start an SEV guest');
  }
  return {
    described: entry !== undefined,
    sections: entry === undefined ? [] : readSections(firmware, entry),
    hashTableAddress: tableEntry(firmware, SEV_HASH_TABLE)?.u32le('hash table address') ?? 0,
    resetAddress: reset.u32le('reset address'),
  };
}

function readSections(firmware: Firmware, entry: ByteReader): SevSection[] {
  const metadata = fromEnd(firmware, entry, 'the SEV metadata');
  const signature = Buffer.from(metadata.bytes(4, 'signature')).toString('latin1');
  metadata.u32le('size');
  const version = metadata.u32le('version');
  const count = metadata.u32le('number of sections');
  if (signature !== 'ASEV' || version !== 1 || count > MAX_SECTIONS) {
    fail(`expected SEV metadata "ASEV" version 1, not ${JSON.stringify(signature)} ${version}`);
  }
  return Array.from({ length: count }, (_, index): SevSection => {
    const address = metadata.u32le(`address of section ${index}`);
    const size = metadata.u32le(`size of section ${index}`);
    const type = metadata.u32le(`type of section ${index}`);
    const kind = KINDS[type as keyof typeof KINDS];
    if (kind === undefined) return fail(`SEV metadata section ${index} has unknown type ${type}`);
    if (address % PAGE !== 0 || size % PAGE !== 0 || size > MAX_SECTION) {
      return fail(`SEV metadata section ${index} is not made of whole pages, or of too many`);
    }
    return { address, size, kind };
  });
}
