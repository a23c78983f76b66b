import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { withoutSections } from '../../../enclave/image/elf.js';

const refused = (error: unknown): boolean =>
  error instanceof AssayError && error.code === 'CONFIG_IMAGE';

/** A header, two segments of which one is loaded, 100 bytes for it, and sections behind. */
function forgeElf(loaded = 100): Buffer {
  const bytes = Buffer.alloc(64 + 2 * 56 + 100 + 300, 7);
  bytes.fill(0, 0, 64 + 2 * 56);
  bytes.write('\x7fELF\x02\x01', 'latin1');
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

suite('a program without its sections', () => {
  test('ends with its last loaded segment, and names no section', () => {
    const program = forgeElf();
    const kept = withoutSections(program);
    assert.equal(kept.length, 64 + 2 * 56 + 100);
    assert.deepEqual(kept.subarray(64), program.subarray(64, kept.length));
    assert.equal(kept.readBigUInt64LE(40), 0n);
    assert.deepEqual(
      [58, 60, 62].map((at) => kept.readUInt16LE(at)),
      [0, 0, 0],
    );
    assert.equal(kept.readUInt16LE(56), 2);
    assert.deepEqual(withoutSections(kept), kept);
  });

  for (const [what, bytes] of [
    ['nothing', Buffer.alloc(0)],
    ['a text', Buffer.alloc(100, 'x')],
    ['a program for 32 bits', Buffer.from(forgeElf()).fill(1, 4, 5)],
    ['a program that was cut', forgeElf().subarray(0, 200)],
    ['a segment that ends beyond the file', forgeElf(100_000)],
  ] as const) {
    test(`is not made of ${what}`, () => assert.throws(() => withoutSections(bytes), refused));
  }

  const native = process.platform === 'linux' ? false : 'Node is an ELF program on Linux alone';
  test('runs as before: Node itself', { skip: native }, () => {
    const folder = mkdtempSync(join(tmpdir(), 'assay-elf-'));
    try {
      const path = join(folder, 'node');
      writeFileSync(path, withoutSections(readFileSync(process.execPath)));
      chmodSync(path, 0o755);
      const printed = execFileSync(path, [
        '-p',
        'crypto.getHashes().length > 0 && process.version',
      ]);
      assert.equal(printed.toString().trim(), process.version);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});
