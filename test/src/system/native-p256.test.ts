import assert from 'node:assert/strict';
import { test } from 'node:test';

import { openKey, verifyWith } from '../../../attestation/appraisal/signatures.js';
import { webCryptoP256 } from '../../../attestation/encoding/p256.js';
import { nativeP256 } from '../../../src/system/native-p256.js';
import { fc } from '../../property.js';

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256' };
const ORDER = Buffer.from(
  'ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551',
  'hex',
);
const { privateKey, publicKey } = await crypto.subtle.generateKey(ALGORITHM, true, ['sign']);
const point = new Uint8Array(await crypto.subtle.exportKey('raw', publicKey));
const data = new Uint8Array(700).fill(7);
const signature = new Uint8Array(
  await crypto.subtle.sign({ name: 'ECDSA', hash: 'SHA-256' }, privateKey, data),
);

/** What both say, which must be the same. */
async function both(key: Uint8Array, signed: Uint8Array, covered: Uint8Array): Promise<boolean> {
  const native = verifyWith(openKey(nativeP256, key), signed, covered);
  const portable = await verifyWith(openKey(webCryptoP256, key), signed, covered);
  assert.equal(await native, portable);
  return portable;
}

const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
  const copy = new Uint8Array(bytes);
  copy[bit >> 3] = (copy[bit >> 3] ?? 0) ^ (1 << (bit & 7));
  return copy;
};

test('answers at once, and as WebCrypto does', async () => {
  assert.equal(verifyWith(openKey(nativeP256, point), signature, data), true);
  assert.equal(await both(point, signature, data), true);
});

test('one bit of key, signature or data makes both refuse', async () => {
  const anyBit = (bytes: Uint8Array) => fc.integer({ min: 0, max: bytes.length * 8 - 1 });
  await fc.assert(
    fc.asyncProperty(anyBit(signature), anyBit(data), anyBit(point), async (s, d, p) => {
      assert.equal(await both(point, flipped(signature, s), data), false);
      assert.equal(await both(point, signature, flipped(data, d)), false);
      assert.equal(await both(flipped(point, p), signature, data), false);
    }),
  );
});

test('both refuse numbers out of range, other lengths and what is no point', async () => {
  const [r, s] = [signature.subarray(0, 32), signature.subarray(32)];
  const zero = new Uint8Array(32);
  const compressed = Uint8Array.of(2 + ((point[64] ?? 0) & 1), ...point.subarray(1, 33));
  for (const [name, key, signed] of [
    ['r zero', point, Uint8Array.of(...zero, ...s)],
    ['s zero', point, Uint8Array.of(...r, ...zero)],
    ['r the order', point, Uint8Array.of(...ORDER, ...s)],
    ['s the order', point, Uint8Array.of(...r, ...ORDER)],
    ['63 bytes', point, signature.subarray(0, 63)],
    ['65 bytes', point, Uint8Array.of(...signature, 0)],
    ['nothing', point, new Uint8Array()],
    ['the point at infinity', Uint8Array.of(0), signature],
    ['the origin', Uint8Array.of(4, ...zero, ...zero), signature],
    ['64 bytes of a point', point.subarray(0, 64), signature],
    ['66 bytes of a point', Uint8Array.of(...point, 0), signature],
    ['no bytes of a point', new Uint8Array(), signature],
    ['a compressed point', compressed, signature],
    ['a hybrid point', Uint8Array.of(6 + ((point[64] ?? 0) & 1), ...point.subarray(1)), signature],
  ] as const) {
    assert.equal(await both(key, signed, data), false, name);
  }
});
