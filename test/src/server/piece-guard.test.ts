import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PieceGuard } from '../../../src/server/piece-guard.js';
import { fc } from '../../property.js';

function framed(length: number): Buffer {
  const bytes = Buffer.alloc(5 + length, 1);
  bytes[0] = 0;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

/** Bytes that were admitted before the first piece that was not; undefined where all were. */
function stoppedAt(bytes: Buffer, size: number): number | undefined {
  const guard = new PieceGuard();
  for (let at = 0; at < bytes.length; at += size) {
    if (!guard.admits(bytes.subarray(at, at + size))) return at;
  }
  return undefined;
}

test('a message in pieces of a byte is stopped after 1024 of them', () => {
  assert.equal(stoppedAt(framed(100_000), 1), 5 + 1024);
  assert.equal(stoppedAt(framed(1024), 1), undefined);
});

const compressed = framed(8);
compressed[0] = 1;

for (const [what, before] of [
  ['a message', framed(8)],
  ['an empty one', framed(0)],
  ['a compressed one', compressed],
  ['a long one in long pieces', framed(2 ** 20)],
] as const) {
  test(`a message in pieces of a byte is stopped after ${what} too`, () => {
    const guard = new PieceGuard();
    assert.ok(guard.admits(before));
    const admitted = [...framed(100_000)].findIndex((byte) => !guard.admits(Uint8Array.of(byte)));
    assert.equal(admitted, 5 + 1024);
  });
}

test('the average decides: pieces of 250 bytes are too short for a long message, of 260 are not', () => {
  assert.notEqual(stoppedAt(framed(2 ** 20), 250), undefined);
  assert.equal(stoppedAt(framed(2 ** 20), 260), undefined);
});

test('messages one after another are each counted by themselves, however they are cut', () => {
  fc.assert(
    fc.property(
      fc.array(fc.nat(1000), { minLength: 1, maxLength: 10 }),
      fc.integer({ min: 1, max: 3000 }),
      (lengths, size) => {
        assert.equal(stoppedAt(Buffer.concat(lengths.map(framed)), size), undefined);
      },
    ),
  );
});
