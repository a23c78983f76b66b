import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import { RequestMessage } from '../../../src/server/request-message.js';
import { RpcError } from '../../../src/server/rpc-error.js';
import { fc } from '../../property.js';

const LIMIT = 20_000;

function framed(length: number, compressed = 0): Buffer {
  const bytes = Buffer.from(Array.from({ length: 5 + length }, (_, i) => i % 251));
  bytes[0] = compressed;
  bytes.writeUInt32BE(length, 1);
  return bytes;
}

/** Cuts bytes into pieces of these sizes, over and over. */
function cut(bytes: Buffer, sizes: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  for (let at = 0, i = 0; at < bytes.length; i++) {
    const size = sizes[i % sizes.length] ?? 1;
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

function read(pieces: readonly Buffer[]): Buffer {
  const message = new RequestMessage(LIMIT, false);
  for (const piece of pieces) message.push(piece);
  return Buffer.concat(message.end());
}

test('a message is the same in whatever pieces it comes, long ones, short ones or mixed', () => {
  const size = fc.oneof(fc.integer({ min: 1, max: 9 }), fc.integer({ min: 900, max: 6000 }));
  fc.assert(
    fc.property(fc.nat(LIMIT), fc.array(size, { minLength: 1, maxLength: 6 }), (length, sizes) => {
      const bytes = framed(length);
      assert.ok(read(cut(bytes, sizes)).equals(bytes.subarray(5)));
    }),
  );
});

/** The message's pieces at the ends of reads of so many bytes, as HTTP/2 frames of other streams leave them. */
function inReads(bytes: Buffer, size: number, read: number): Buffer[] {
  return cut(bytes, [size]).map((piece) => {
    const whole = Buffer.allocUnsafeSlow(Math.max(read, piece.length));
    whole.set(piece, whole.length - piece.length);
    return whole.subarray(-piece.length);
  });
}

test('long pieces stay where they are in reads of their own', () => {
  const message = new RequestMessage(LIMIT, false);
  const pieces = inReads(framed(LIMIT), 4096, 6000);
  for (const piece of pieces) message.push(piece);
  const kept = new Set(message.end().map(({ buffer }) => buffer));
  assert.ok(pieces.every(({ buffer }) => kept.has(buffer)));
});

test('short pieces of one read are gathered: no object is kept for each', () => {
  const message = new RequestMessage(LIMIT, false);
  for (const piece of cut(framed(LIMIT), [8])) message.push(piece);
  const pieces = message.end();
  assert.ok(Buffer.concat(pieces).equals(framed(LIMIT).subarray(5)));
  assert.ok(pieces.length <= 6, `${pieces.length}`);
});

test('what a message keeps in memory is not more than twice its size', () => {
  const from = (min: number, max: number) => fc.integer({ min, max });
  fc.assert(
    fc.property(from(9000, LIMIT), from(1, 6000), from(1, 65_536), (length, size, read) => {
      const message = new RequestMessage(LIMIT, false);
      const bytes = framed(length);
      for (const piece of inReads(bytes, size, read)) message.push(piece);
      const pieces = message.end();
      assert.ok(Buffer.concat(pieces).equals(bytes.subarray(5)));
      const kept = new Set(pieces.map(({ buffer }) => buffer));
      const total = [...kept].reduce((sum, { byteLength }) => sum + byteLength, 0);
      assert.ok(total <= 2 * bytes.length, `${total} of ${bytes.length}`);
    }),
  );
});

for (const [name, bytes, code, pattern] of [
  ['a byte more than the limit', framed(LIMIT + 1), status.RESOURCE_EXHAUSTED, /20001 vs 20000/],
  ['a compressed message', framed(8, 1), status.INTERNAL, /no compressed message/],
  [
    'a byte after the message',
    Buffer.concat([framed(8), Buffer.of(0)]),
    status.UNIMPLEMENTED,
    /got more/,
  ],
  ['a byte too few', framed(8).subarray(0, 12), status.UNIMPLEMENTED, /ended before/],
  ['half a prefix', framed(8).subarray(0, 4), status.UNIMPLEMENTED, /ended before/],
  ['nothing', Buffer.alloc(0), status.UNIMPLEMENTED, /ended before/],
] as const) {
  test(`refused: ${name}`, () => {
    for (const sizes of [[1], [bytes.length + 1]]) {
      assert.throws(
        () => read(cut(bytes, sizes)),
        (error) => error instanceof RpcError && error.code === code && pattern.test(error.message),
      );
    }
  });
}

test('a length beyond the limit is refused before anything of the message is there', () => {
  const message = new RequestMessage(LIMIT, false);
  assert.throws(() => message.push(framed(LIMIT + 1).subarray(0, 5)), RpcError);
});
