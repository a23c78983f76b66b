import { AssayError } from '../../attestation/encoding/error.js';

const SECTION_HEADER = 40;
const CODE_CHARACTERISTICS = 0x40000040;

/**
 * A unified kernel image: systemd's EFI stub with more sections (UAPI.5, "Unified Kernel Image").
 * Sections are laid behind the stub's own, aligned as its headers say, and no time or checksum is
 * written, so that the same inputs give the same bytes.
 */
export function buildUki(
  stub: Uint8Array,
  sections: readonly (readonly [name: string, data: Uint8Array])[],
): Buffer {
  const head = Buffer.from(stub);
  const peAt = head.readUInt32LE(0x3c);
  if (head.readUInt32LE(peAt) !== 0x4550) throw new AssayError('CONFIG_IMAGE', 'the stub is no PE');
  const count = head.readUInt16LE(peAt + 6);
  const optionalAt = peAt + 24;
  const tableAt = optionalAt + head.readUInt16LE(peAt + 20);
  const sectionAlignment = head.readUInt32LE(optionalAt + 32);
  const fileAlignment = head.readUInt32LE(optionalAt + 36);
  const headersEnd = head.readUInt32LE(optionalAt + 60);
  const newTableEnd = tableAt + SECTION_HEADER * (count + sections.length);
  if (newTableEnd > headersEnd) {
    throw new AssayError('CONFIG_IMAGE', 'the stub has no room for more section headers');
  }
  const align = (value: number, to: number): number => Math.ceil(value / to) * to;
  let address = 0;
  for (let index = 0; index < count; index++) {
    const at = tableAt + SECTION_HEADER * index;
    address = Math.max(address, head.readUInt32LE(at + 8) + head.readUInt32LE(at + 12));
  }
  const bodies: Buffer[] = [];
  let offset = align(head.length, fileAlignment);
  bodies.push(Buffer.alloc(offset - head.length));
  sections.forEach(([name, data], index) => {
    const at = tableAt + SECTION_HEADER * (count + index);
    const size = align(data.length, fileAlignment);
    address = align(address, sectionAlignment);
    head.fill(0, at, at + SECTION_HEADER);
    head.write(name, at, 8, 'latin1');
    head.writeUInt32LE(data.length, at + 8);
    head.writeUInt32LE(address, at + 12);
    head.writeUInt32LE(size, at + 16);
    head.writeUInt32LE(offset, at + 20);
    head.writeUInt32LE(CODE_CHARACTERISTICS, at + 36);
    bodies.push(Buffer.from(data), Buffer.alloc(size - data.length));
    offset += size;
    address += data.length;
  });
  head.writeUInt16LE(count + sections.length, peAt + 6);
  head.writeUInt32LE(align(address, sectionAlignment), optionalAt + 56);
  return Buffer.concat([head, ...bodies]);
}
