import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { test } from 'node:test';
import { fromHex, toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import {
  assertConsistent,
  leafHash,
  merkleRoot,
  rootFromInclusion,
} from '../../../attestation/encoding/merkle.js';
import { consistencyPath, inclusionPath } from '../../forge/merkle.js';
import { fc } from '../../property.js';

/** The eight leaves of the test tree that Certificate Transparency implementations share. */
const LEAVES = [
  '',
  '00',
  '10',
  '2021',
  '3031',
  '40414243',
  '5051525354555657',
  '606162636465666768696a6b6c6d6e6f',
];

/** RFC 9162 section 2.1.1 read literally, over node:crypto: the oracle. */
function naiveRoot(leaves: readonly Uint8Array[]): Buffer {
  const hash = (...parts: Uint8Array[]): Buffer => {
    const running = createHash('sha256');
    for (const part of parts) running.update(part);
    return running.digest();
  };
  if (leaves.length === 0) return hash();
  const [only] = leaves;
  if (leaves.length === 1 && only !== undefined) return hash(Uint8Array.of(0), only);
  let k = 1;
  while (k * 2 < leaves.length) k *= 2;
  return hash(Uint8Array.of(1), naiveRoot(leaves.slice(0, k)), naiveRoot(leaves.slice(k)));
}

const numbered = (size: number): Uint8Array[] =>
  Array.from({ length: size }, (_, i) => utf8(`leaf ${i}`));

test('roots of the shared test tree', () => {
  const roots = [
    'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
    '6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d',
    'fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125',
    'aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77',
    'd37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7',
    '4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4',
    '76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef',
    'ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c',
    '5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328',
  ];
  const hashes = LEAVES.map((leaf) => leafHash(fromHex(leaf)));
  roots.forEach((root, size) => {
    assert.equal(toHex(merkleRoot(hashes.slice(0, size))), root);
  });
});

test('every inclusion and consistency proof of trees up to 70 leaves holds', () => {
  for (let size = 1; size <= 70; size++) {
    const leaves = numbered(size);
    const hashes = leaves.map(leafHash);
    const root = merkleRoot(hashes);
    assert.deepEqual(Buffer.from(root), naiveRoot(leaves));
    hashes.forEach((hash, index) => {
      const path = inclusionPath(hashes, index);
      assert.deepEqual(rootFromInclusion(hash, index, size, path), root);
    });
    for (let old = 1; old <= size; old++) {
      const oldRoot = merkleRoot(hashes.slice(0, old));
      assertConsistent(oldRoot, old, root, size, consistencyPath(hashes, old));
    }
  }
});

test('a proof for one position leads to another root at every other position', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 200 }), fc.nat(), fc.nat(), (size, a, b) => {
      const [index, other] = [a % size, b % size];
      fc.pre(index !== other);
      const hashes = numbered(size).map(leafHash);
      const leaf = hashes[index] ?? assert.fail();
      let moved: string;
      try {
        moved = toHex(rootFromInclusion(leaf, other, size, inclusionPath(hashes, index)));
      } catch {
        return;
      }
      assert.notEqual(moved, toHex(merkleRoot(hashes)));
    }),
  );
});

test('malformed proofs are refused', () => {
  const hashes = numbered(7).map(leafHash);
  const root = merkleRoot(hashes);
  const old = merkleRoot(hashes.slice(0, 3));
  const leaf = hashes[2] ?? assert.fail();
  const path = inclusionPath(hashes, 2);
  const proof = consistencyPath(hashes, 3);
  const short = new Uint8Array(31);
  const cases: [string, string, () => void][] = [
    ['index at the size', 'MERKLE_INDEX', () => void rootFromInclusion(leaf, 7, 7, path)],
    ['negative index', 'MERKLE_INDEX', () => void rootFromInclusion(leaf, -1, 7, path)],
    ['path too short', 'MERKLE_PATH', () => void rootFromInclusion(leaf, 2, 7, path.slice(1))],
    ['path too long', 'MERKLE_PATH', () => void rootFromInclusion(leaf, 2, 7, [...path, leaf])],
    [
      'short node',
      'MERKLE_PATH',
      () => void rootFromInclusion(leaf, 2, 7, [short, ...path.slice(1)]),
    ],
    ['rewritten leaf', 'MERKLE_CONSISTENCY', () => assertConsistent(leaf, 3, root, 7, proof)],
    ['other newer root', 'MERKLE_CONSISTENCY', () => assertConsistent(old, 3, leaf, 7, proof)],
    ['empty proof', 'MERKLE_CONSISTENCY', () => assertConsistent(old, 3, root, 7, [])],
    [
      'longer proof',
      'MERKLE_CONSISTENCY',
      () => assertConsistent(old, 3, root, 7, [...proof, leaf]),
    ],
    [
      'shorter proof',
      'MERKLE_CONSISTENCY',
      () => assertConsistent(old, 3, root, 7, proof.slice(0, -1)),
    ],
    ['two roots of one size', 'MERKLE_CONSISTENCY', () => assertConsistent(old, 7, root, 7, [])],
    ['proof of one size', 'MERKLE_CONSISTENCY', () => assertConsistent(root, 7, root, 7, proof)],
    ['shrunken log', 'MERKLE_CONSISTENCY', () => assertConsistent(root, 7, old, 3, [])],
    [
      'older tree without leaves',
      'MERKLE_CONSISTENCY',
      () => assertConsistent(old, 0, root, 7, []),
    ],
    ['part of a leaf', 'MERKLE_CONSISTENCY', () => assertConsistent(old, 2.5, root, 7, proof)],
    ['short node of a proof', 'MERKLE_PATH', () => assertConsistent(old, 3, root, 7, [short])],
  ];
  for (const [name, code, run] of cases) assert.throws(run, { code }, name);
});
