import assert from 'node:assert/strict';
import { test } from 'node:test';
import { utf8 } from '../../attestation/encoding/bytes.js';
import {
  assertConsistent,
  leafHash,
  merkleRoot,
  rootFromInclusion,
} from '../../attestation/encoding/merkle.js';
import { MerkleLog } from '../../enclave/log.js';
import { TreeSnapshot } from '../../enclave/tree-snapshot.js';
import { consistencyPath, inclusionPath } from '../forge/merkle.js';
import { fc } from '../property.js';

const SIZE = 70;
const entries = Array.from({ length: SIZE }, (_, i) => Uint8Array.of(i));
const leaves = entries.map(leafHash);
const log = new MerkleLog();
for (const [i, entry] of entries.entries()) assert.equal(log.append(leafHash(entry)), i);

test('root and every inclusion path of every size equal those of the whole tree', () => {
  for (let size = 1; size <= SIZE; size++) {
    const tree = log.at(size);
    const part = leaves.slice(0, size);
    assert.deepEqual(Buffer.from(tree.root), Buffer.from(merkleRoot(part)));
    for (let index = 0; index < size; index++) {
      const expected = inclusionPath(part, index).map((node) => Buffer.from(node));
      assert.deepEqual(
        tree.inclusionPath(index).map((node) => Buffer.from(node)),
        expected,
      );
    }
  }
});

test('every consistency proof equals that of the whole tree', () => {
  for (let size = 1; size <= SIZE; size++) {
    for (let old = 1; old <= size; old++) {
      const expected = consistencyPath(leaves.slice(0, size), old);
      assert.deepEqual(
        log
          .at(size)
          .consistencyPath(old)
          .map((node) => Buffer.from(node)),
        expected.map((node) => Buffer.from(node)),
      );
    }
  }
});

test('a tree of one size stays what it is while the log grows', () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 600 }),
      fc.integer({ min: 0, max: 600 }),
      (before, more) => {
        const growing = new MerkleLog();
        for (let i = 0; i < before; i++) growing.append(leafHash(Uint8Array.of(i, i >> 8)));
        const tree = growing.at(before);
        const { root } = tree;
        for (let i = 0; i < more; i++) growing.append(leafHash(Uint8Array.of(200, i, i >> 8)));
        assert.deepEqual(growing.at(before).root, root);
        assert.deepEqual(
          tree.inclusionPath(before - 1),
          growing.at(before).inclusionPath(before - 1),
        );
      },
    ),
  );
});

test('blocks of memory are crossed without a seam', () => {
  const large = new MerkleLog();
  const hashes: Uint8Array[] = [];
  for (let i = 0; i < 4100; i++) {
    const entry = Uint8Array.of(i & 0xff, i >> 8);
    hashes.push(leafHash(entry));
    large.append(leafHash(entry));
  }
  const tree = large.at(4100);
  assert.deepEqual(Buffer.from(tree.root), Buffer.from(merkleRoot(hashes)));
  for (const index of [0, 4095, 4096, 4099]) {
    assert.deepEqual(
      tree.inclusionPath(index).map((node) => Buffer.from(node)),
      inclusionPath(hashes, index).map((node) => Buffer.from(node)),
    );
  }
});

test('sizes and positions that never were are refused', () => {
  for (const size of [0, -1, 1.5, SIZE + 1, Number.NaN]) {
    assert.throws(() => log.at(size), { code: 'MERKLE_INDEX' });
  }
  for (const index of [-1, SIZE, 0.5, Number.NaN]) {
    assert.throws(() => log.at(SIZE).inclusionPath(index), { code: 'MERKLE_INDEX' });
  }
  for (const old of [0, SIZE + 1, Number.NaN]) {
    assert.throws(() => log.at(SIZE).consistencyPath(old), { code: 'MERKLE_INDEX' });
  }
});

test('a tree of more entries than 32 bits count proves its newest, and that it extends another', () => {
  // Subtrees that are made up: the proofs of these entries and sizes look inside of none.
  const complete = (height: number, index: number) => leafHash(utf8(`${height} ${index}`));
  const [old, size] = [2 ** 33, 2 ** 33 + 2 ** 32 + 5];
  const tree = new TreeSnapshot(size, complete);
  const path = tree.inclusionPath(size - 1);
  assert.deepEqual(rootFromInclusion(complete(0, size - 1), size - 1, size, path), tree.root);
  const { root } = new TreeSnapshot(old, complete);
  assertConsistent(root, old, tree.root, size, tree.consistencyPath(old));
});
