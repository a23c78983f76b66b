import assert from 'node:assert/strict';
import { createHash, createPublicKey, generateKeyPairSync, verify } from 'node:crypto';
import { suite, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { type IdBlock, signIdBlock } from '../../../enclave/measurement/id-block.js';

const block: IdBlock = {
  launchDigest: Buffer.from(
    'B28FLQi9p6cAqipgjFyqawDrrSl7bWioWkWx5mmlWLZ+G5HShKMB/mPE+gdQRn7t',
    'base64',
  ),
  familyId: new Uint8Array(16),
  imageId: new Uint8Array(16),
  guestSvn: 0,
  policy: 0x30000n,
};

const makeKey = (namedCurve = 'P-384') => generateKeyPairSync('ec', { namedCurve }).privateKey;
const idKey = makeKey();
const authorKey = makeKey();

/** Big-endian r ‖ s out of the 512-byte structure, as ordinary verifiers want it. */
function plainSignature(idAuth: Uint8Array, at: number): Buffer {
  const half = (offset: number): Buffer =>
    Buffer.from(idAuth.subarray(offset, offset + 48)).reverse();
  return Buffer.concat([half(at), half(at + 72)]);
}

suite('ID block', () => {
  test('the block is the published one (virtee/sev-snp-measure, tests/test_id_block.py)', () => {
    assert.equal(
      Buffer.from(signIdBlock(block, idKey).idBlock).toString('base64'),
      'B28FLQi9p6cAqipgjFyqawDrrSl7bWioWkWx5mmlWLZ+G5HShKMB/mPE+gdQRn7tAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAABAAAAAAAAAAAAAwAAAAAA',
    );
  });

  test('both signatures verify, and the digests are over the keys inside', () => {
    const signed = signIdBlock(block, idKey, authorKey);
    const { idAuth } = signed;
    const check = (key: typeof idKey, data: Uint8Array, at: number): boolean =>
      verify(
        'sha384',
        data,
        { key: createPublicKey(key), dsaEncoding: 'ieee-p1363' },
        plainSignature(idAuth, at),
      );
    const idPublic = idAuth.subarray(0x240, 0x240 + 0x404);
    const authorPublic = idAuth.subarray(0x880, 0x880 + 0x404);
    assert.ok(check(idKey, signed.idBlock, 0x40));
    assert.ok(check(authorKey, idPublic, 0x680));
    const digest = (bytes: Uint8Array) =>
      new Uint8Array(createHash('sha384').update(bytes).digest());
    assert.deepEqual(signed.idKeyDigest, digest(idPublic));
    assert.deepEqual(signed.authorKeyDigest, digest(authorPublic));
    assert.deepEqual([idAuth[0], idAuth[4], idAuth.length], [1, 1, 4096]);
  });

  test('without an author key its half is empty', () => {
    const { idAuth, authorKeyDigest } = signIdBlock(block, idKey);
    assert.equal(authorKeyDigest, undefined);
    assert.deepEqual([idAuth[0], idAuth[4]], [1, 0]);
    assert.ok(idAuth.subarray(0x680).every((byte) => byte === 0));
  });

  test('identities, version and policy stand where the firmware reads them', () => {
    const { idBlock } = signIdBlock(
      {
        ...block,
        familyId: new Uint8Array(16).fill(1),
        imageId: new Uint8Array(16).fill(2),
        guestSvn: 7,
        policy: 0x30b_0000n,
      },
      idKey,
    );
    const view = Buffer.from(idBlock);
    assert.deepEqual(new Uint8Array(view.subarray(48, 64)), new Uint8Array(16).fill(1));
    assert.deepEqual(new Uint8Array(view.subarray(64, 80)), new Uint8Array(16).fill(2));
    assert.equal(view.readUInt32LE(80), 1);
    assert.equal(view.readUInt32LE(84), 7);
    assert.equal(view.readBigUInt64LE(88), 0x30b_0000n);
  });

  for (const [what, make, expected] of [
    ['a P-256 key', () => signIdBlock(block, makeKey('P-256')), 'MEASUREMENT_ID_KEY'],
    ['a public key', () => signIdBlock(block, createPublicKey(idKey)), 'MEASUREMENT_ID_KEY'],
    [
      'a short digest',
      () => signIdBlock({ ...block, launchDigest: new Uint8Array(32) }, idKey),
      'MEASUREMENT_INPUT',
    ],
    ...[0x10000n, 0x400_0000n | 0x20000n, (2n ** 63n) | 0x20000n].map(
      (policy) =>
        [
          `guest policy ${policy.toString(16)}, with which no guest starts,`,
          () => signIdBlock({ ...block, policy }, idKey),
          'MEASUREMENT_INPUT',
        ] as const,
    ),
    ...[2 ** 32, -1, 1.5].map(
      (guestSvn) =>
        [
          `guest SVN ${guestSvn}`,
          () => signIdBlock({ ...block, guestSvn }, idKey),
          'MEASUREMENT_INPUT',
        ] as const,
    ),
  ] as const) {
    test(`${what} is refused with ${expected}`, () => {
      assert.throws(make, (error) => error instanceof AssayError && error.code === expected);
    });
  }
});
