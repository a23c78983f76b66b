import { crc32, deflateRawSync } from 'node:zlib';
import { formatNpy } from '../../src/client/npy.js';
import type { Tensor } from '../../src/client/tensor.js';

/** A zip file as numpy.savez writes it: local headers, a directory, the end record. */
export function npz(tensors: readonly Tensor[], method: 0 | 8): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const each of tensors) {
    const content = formatNpy(each);
    const packed = method === 0 ? Buffer.from(content) : deflateRawSync(content);
    const name = Buffer.from(`${each.name}.npy`);
    const local = Buffer.alloc(30);
    local.writeUInt32LE(0x04034b50);
    local.writeUInt16LE(name.length, 26);
    const entry = Buffer.alloc(46);
    entry.writeUInt32LE(0x02014b50);
    entry.writeUInt16LE(method, 10);
    entry.writeUInt32LE(crc32(content), 16);
    entry.writeUInt32LE(packed.length, 20);
    entry.writeUInt32LE(content.length, 24);
    entry.writeUInt16LE(name.length, 28);
    entry.writeUInt32LE(offset, 42);
    locals.push(local, name, packed);
    directory.push(entry, name);
    offset += local.length + name.length + packed.length;
  }
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50);
  end.writeUInt16LE(tensors.length, 10);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...directory, end]);
}
