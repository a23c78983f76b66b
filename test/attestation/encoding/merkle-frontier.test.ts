import assert from 'node:assert/strict';
import { test } from 'node:test';
import { leafHash, merkleRoot } from '../../../attestation/encoding/merkle.js';
import { MerkleFrontier } from '../../../attestation/encoding/merkle-frontier.js';

test('a frontier has the root of every prefix', () => {
  const leaves = Array.from({ length: 70 }, (_, i) => leafHash(Uint8Array.of(i)));
  const frontier = new MerkleFrontier();
  assert.deepEqual(frontier.root, merkleRoot([]));
  leaves.forEach((leaf, i) => {
    frontier.append(leaf);
    assert.equal(frontier.size, i + 1);
    assert.deepEqual(frontier.root, merkleRoot(leaves.slice(0, i + 1)));
  });
});
