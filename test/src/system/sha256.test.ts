import assert from 'node:assert/strict';
import { test } from 'node:test';
import { sha256 } from '../../../attestation/encoding/hash.js';
import { leafHash, merkleHashes, nodeHash } from '../../../attestation/encoding/merkle.js';
import { nativeSha256Once } from '../../../src/system/sha256.js';
import { fc } from '../../property.js';

test('equals the portable SHA-256, of parts together below and beyond what is hashed at once', () => {
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 100 }),
    fc.uint8Array({ minLength: 4000, maxLength: 5000 }),
  );
  fc.assert(
    fc.property(fc.array(part, { maxLength: 4 }), (parts) => {
      assert.deepEqual(new Uint8Array(nativeSha256Once(...parts)), sha256(...parts));
    }),
  );
});

test('gives digests that the next call leaves alone', () => {
  const first = nativeSha256Once(Uint8Array.of(1));
  const copy = new Uint8Array(first);
  for (let i = 0; i < 1000; i++) nativeSha256Once(Uint8Array.of(i & 0xff));
  assert.deepEqual(new Uint8Array(first), copy);
});

test('makes the hashes of RFC 9162', () => {
  const native = merkleHashes(nativeSha256Once);
  const [left, right] = [new Uint8Array(32).fill(1), new Uint8Array(32).fill(2)];
  assert.deepEqual(new Uint8Array(native.leafHash(left)), leafHash(left));
  assert.deepEqual(new Uint8Array(native.nodeHash(left, right)), nodeHash(left, right));
});
