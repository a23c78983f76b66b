import { createHash } from 'node:crypto';
import { concat, utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { guidBytes } from './guid.js';

const HEADER = '9438d606-4f22-4cc9-b479-a793d411fd21';
const CMDLINE = '97d02dd8-bd20-4c94-aa78-e7714d36ab2a';
const INITRD = '44baf731-3a2f-4bd7-9af1-41e29169781d';
const KERNEL = '4de79437-abd2-427f-b835-d5b172d2045b';
const ENTRY_BYTES = 16 + 2 + 32;
const TABLE_BYTES = 16 + 2 + 3 * ENTRY_BYTES;
const PAGE = 4096;

/** What is booted, where the host loads it beside the firmware (`-kernel`). */
export interface DirectBoot {
  readonly kernel: Uint8Array;
  readonly initrd: Uint8Array;
  /** Exactly what `-append` gets; its terminating NUL is hashed with it. */
  readonly commandLine: string;
}

/** SHA-256 of each part, in the order of the table (QEMU `target/i386/sev.c`, SevHashTable). */
function kernelHashes(boot: DirectBoot): {
  cmdline: Buffer;
  initrd: Buffer;
  kernel: Buffer;
} {
  if (boot.commandLine.includes('\0')) {
    throw new AssayError('MEASUREMENT_INPUT', 'the command line contains a NUL');
  }
  const hash = (...parts: Uint8Array[]): Buffer => {
    const running = createHash('sha256');
    for (const part of parts) running.update(part);
    return running.digest();
  };
  return {
    cmdline: hash(utf8(boot.commandLine), Uint8Array.of(0)),
    initrd: hash(boot.initrd),
    kernel: hash(boot.kernel),
  };
}

/** The page of hashes that QEMU puts at the firmware's hash table address, zeros around it. */
export function kernelHashesPage(boot: DirectBoot, tableAddress: number): Uint8Array<ArrayBuffer> {
  const hashes = kernelHashes(boot);
  const table = concat(
    guidBytes(HEADER),
    u16le(TABLE_BYTES),
    entry(CMDLINE, hashes.cmdline),
    entry(INITRD, hashes.initrd),
    entry(KERNEL, hashes.kernel),
  );
  const offset = tableAddress % PAGE;
  if (offset + table.length > PAGE) {
    throw new AssayError('MEASUREMENT_FIRMWARE', 'the hash table does not fit into its page');
  }
  const page = new Uint8Array(PAGE);
  page.set(table, offset);
  return page;
}

function entry(guid: string, hash: Uint8Array): Uint8Array {
  return concat(guidBytes(guid), u16le(ENTRY_BYTES), hash);
}

function u16le(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}
