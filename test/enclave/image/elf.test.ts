import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { withoutSections } from '../../../enclave/image/elf.js';
import { forgeElf } from '../../forge/elf.js';

/** The program with this number, little-endian, in its header. */
function patched(at: number, value: number): Buffer {
  const program = forgeElf();
  program.writeUInt16LE(value, at);
  return program;
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
    ['a program for 32 bits', forgeElf().fill(1, 4, 5)],
    ['a program for ARM', patched(18, 183)],
    ['a program with segments of another size', patched(54, 57)],
    ['a program whose segments are in its header', patched(32, 0)],
    ['a program that was cut', forgeElf().subarray(0, 175)],
  ] as const) {
    test(`is not made of ${what}`, () =>
      assert.throws(() => withoutSections(bytes), {
        code: 'CONFIG_IMAGE',
        message: 'expected an ELF program for x86-64 with its segments',
      }));
  }

  test('is not made of a program whose segment ends beyond the file', () =>
    assert.throws(() => withoutSections(forgeElf(100_000)), {
      code: 'CONFIG_IMAGE',
      message: 'the ELF program ends before its last segment',
    }));

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
