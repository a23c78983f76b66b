import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { test } from 'node:test';
import * as bytes from '../../../attestation/encoding/bytes.js';
import {
  label,
  portableHmacSha256,
  sha256,
  sha384,
  sha512,
} from '../../../attestation/encoding/hash.js';
import { ByteReader } from '../../../attestation/encoding/reader.js';
import { fc } from '../../property.js';

test('text forms of bytes agree with Node and come back', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (data) => {
      const buffer = Buffer.from(data);
      assert.equal(bytes.toHex(data), buffer.toString('hex'));
      assert.equal(bytes.toBase64(data), buffer.toString('base64'));
      assert.equal(bytes.toBase64Url(data), buffer.toString('base64url'));
      assert.deepEqual(bytes.fromHex(bytes.toHex(data)), data);
      assert.deepEqual(bytes.fromBase64(bytes.toBase64(data)), data);
      assert.deepEqual(bytes.fromBase64Url(bytes.toBase64Url(data)), data);
    }),
  );
});

test('base64 is what Node writes, and nothing else', () => {
  const text = fc.string({ unit: fc.constantFrom(...'AQgwRZz09+/=-_ \né'), maxLength: 12 });
  fc.assert(
    fc.property(text, (it) => {
      if (Buffer.from(it, 'base64').toString('base64') === it) {
        assert.deepEqual(Buffer.from(bytes.fromBase64(it)), Buffer.from(it, 'base64'));
      } else assert.throws(() => bytes.fromBase64(it), { code: 'ENCODING_BASE64' });
    }),
    { numRuns: 2000 },
  );
});

test('other text is refused', () => {
  const cases: [string, () => unknown][] = [
    ['ENCODING_HEX', () => bytes.fromHex('abc')],
    ['ENCODING_HEX', () => bytes.fromHex('0x')],
    ['ENCODING_HEX', () => bytes.fromHex('é')],
    ['ENCODING_HEX', () => bytes.fromHex('0g')],
    ['ENCODING_BASE64', () => bytes.fromBase64('QQ')],
    ['ENCODING_BASE64', () => bytes.fromBase64('QR==')],
    ['ENCODING_BASE64', () => bytes.fromBase64('QQ= =')],
    ['ENCODING_BASE64', () => bytes.fromBase64Url('QQ==')],
    ['ENCODING_BASE64', () => bytes.fromBase64Url('QR')],
    ['ENCODING_BASE64', () => bytes.fromBase64Url('+/==')],
    ['ENCODING_UTF8', () => bytes.fromUtf8(Uint8Array.of(0xc0, 0x80))],
  ];
  for (const [code, run] of cases) assert.throws(run, { code });
});

test('comparison is by unsigned byte, prefixes first', () => {
  fc.assert(
    fc.property(fc.uint8Array(), fc.uint8Array(), (a, b) => {
      assert.equal(Math.sign(bytes.compareBytes(a, b)), Buffer.compare(a, b));
      assert.equal(bytes.equalBytes(a, b), Buffer.compare(a, b) === 0);
    }),
  );
});

test('hashes agree with node:crypto', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 400 }), fc.uint8Array({ maxLength: 100 }), (a, b) => {
      const oracle = (name: string): Buffer => createHash(name).update(a).update(b).digest();
      assert.deepEqual(Buffer.from(sha256(a, b)), oracle('sha256'));
      assert.deepEqual(Buffer.from(sha384(a, b)), oracle('sha384'));
      assert.deepEqual(Buffer.from(sha512(a, b)), oracle('sha512'));
      const mac = createHmac('sha256', b).update(a).update(b).digest();
      assert.deepEqual(Buffer.from(portableHmacSha256(b, [a, b])), mac);
    }),
  );
  assert.equal(bytes.fromUtf8(label('report-data')), 'assay/report-data/v1\0');
});

test('the reader stays inside its input', () => {
  const reader = new ByteReader(
    Uint8Array.of(1, 2, 0, 3, 0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 9),
    'SNP_FORMAT',
  );
  assert.equal(reader.u8('a'), 1);
  assert.equal(reader.u16le('b'), 2);
  assert.equal(reader.u32le('c'), 3);
  assert.equal(reader.u64le('d'), 4n);
  assert.equal(reader.offset, 15);
  reader.zeros(1, 'reserved');
  assert.throws(() => reader.end('the thing'), { code: 'SNP_FORMAT', message: /1 bytes follow/ });
  assert.throws(() => reader.u16le('e'), {
    code: 'SNP_FORMAT',
    message: /e needs 2 bytes at offset 16/,
  });
  assert.throws(() => reader.bytes(-1, 'f'), { code: 'SNP_FORMAT' });
  assert.throws(() => reader.bytes(Number.POSITIVE_INFINITY, 'g'), { code: 'SNP_FORMAT' });
  assert.throws(() => reader.zeros(1, 'reserved'), {
    code: 'SNP_FORMAT',
    message: /offset 16 must be zero/,
  });
  reader.end('the thing');
});
