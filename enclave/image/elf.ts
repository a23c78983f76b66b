import { AssayError } from '../../attestation/encoding/error.js';

/** Elf64_Ehdr and Elf64_Phdr (System V ABI, ELF-64), little-endian. */
const HEADER = 64;
const PROGRAM_HEADER = 56;
const PT_LOAD = 1;
const EM_X86_64 = 62;

/**
 * A program without what no loader reads: symbols and debug sections behind the last segment, and the table
 * of sections. What is executed stays byte for byte. Throws CONFIG_IMAGE for anything but ELF-64 of x86-64.
 */
export function withoutSections(program: Buffer): Buffer {
  const count = program.length < HEADER ? 0 : program.readUInt16LE(56);
  const table = count === 0 ? 0 : Number(program.readBigUInt64LE(32));
  const behind = table + count * PROGRAM_HEADER;
  const isElf =
    count > 0 &&
    program.toString('latin1', 0, 6) === '\x7fELF\x02\x01' &&
    program.readUInt16LE(18) === EM_X86_64 &&
    program.readUInt16LE(54) === PROGRAM_HEADER;
  if (!isElf || table < HEADER || behind > program.length) {
    throw new AssayError('CONFIG_IMAGE', 'expected an ELF program for x86-64 with its segments');
  }
  let end = behind;
  for (let at = table; at < behind; at += PROGRAM_HEADER) {
    if (program.readUInt32LE(at) !== PT_LOAD) continue;
    const segment = program.readBigUInt64LE(at + 8) + program.readBigUInt64LE(at + 32);
    end = Math.max(end, Number(segment));
  }
  if (end > program.length) {
    throw new AssayError('CONFIG_IMAGE', 'the ELF program ends before its last segment');
  }
  const kept = Buffer.from(program.subarray(0, end));
  // Where the table of sections is, the size and number of its entries, and which has the names.
  kept.fill(0, 40, 48);
  kept.fill(0, 58, 64);
  return kept;
}
