/** A program for x86-64: a header, two segments of which one is loaded, 100 bytes for it, and sections behind. */
export function forgeElf(loaded = 100): Buffer {
  const bytes = Buffer.alloc(64 + 2 * 56 + 100 + 300, 7);
  bytes.fill(0, 0, 64 + 2 * 56);
  bytes.write('\x7fELF\x02\x01', 'latin1');
  bytes.writeUInt16LE(62, 18);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeBigUInt64LE(300n, 40);
  bytes.writeUInt16LE(56, 54);
  for (const at of [56, 58, 60, 62]) bytes.writeUInt16LE(2, at);
  bytes.writeUInt32LE(1, 64);
  bytes.writeBigUInt64LE(176n, 64 + 8);
  bytes.writeBigUInt64LE(BigInt(loaded), 64 + 32);
  bytes.writeUInt32LE(6, 120);
  bytes.writeBigUInt64LE(9999n, 120 + 32);
  return bytes;
}
