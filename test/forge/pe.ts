/** A PE32+ image of these sections, with a data directory and nothing that runs. */
export interface ForgedPe {
  readonly bytes: Buffer;
  readonly checksumAt: number;
  readonly certificateEntryAt: number;
}

const FILE_ALIGNMENT = 512;
const OPTIONAL_BYTES = 112 + 16 * 8;
const PE_AT = 0x80;

export function forgePe(
  sections: readonly (readonly [name: string, data: Uint8Array])[],
): ForgedPe {
  const headerEnd = PE_AT + 24 + OPTIONAL_BYTES + 40 * sections.length;
  const headerBytes = Math.ceil(headerEnd / FILE_ALIGNMENT) * FILE_ALIGNMENT;
  const header = Buffer.alloc(headerBytes);
  header.write('MZ');
  header.writeUInt32LE(PE_AT, 0x3c);
  header.write('PE\0\0', PE_AT);
  header.writeUInt16LE(0x8664, PE_AT + 4);
  header.writeUInt16LE(sections.length, PE_AT + 6);
  header.writeUInt16LE(OPTIONAL_BYTES, PE_AT + 20);
  const optional = PE_AT + 24;
  header.writeUInt16LE(0x20b, optional);
  header.writeUInt32LE(4096, optional + 32);
  header.writeUInt32LE(FILE_ALIGNMENT, optional + 36);
  header.writeUInt32LE(headerBytes, optional + 60);
  header.writeUInt32LE(16, optional + 108);
  const bodies: Buffer[] = [];
  let offset = headerBytes;
  sections.forEach(([name, data], index) => {
    const at = optional + OPTIONAL_BYTES + 40 * index;
    const size = Math.ceil(data.length / FILE_ALIGNMENT) * FILE_ALIGNMENT;
    header.write(name, at);
    header.writeUInt32LE(data.length, at + 8);
    header.writeUInt32LE(0x1000 * (index + 1), at + 12);
    header.writeUInt32LE(size, at + 16);
    header.writeUInt32LE(offset, at + 20);
    const body = Buffer.alloc(size);
    body.set(data);
    bodies.push(body);
    offset += size;
  });
  return {
    bytes: Buffer.concat([header, ...bodies]),
    checksumAt: optional + 64,
    certificateEntryAt: optional + 112 + 8 * 4,
  };
}
