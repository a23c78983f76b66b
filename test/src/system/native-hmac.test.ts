import assert from 'node:assert/strict';
import { test } from 'node:test';
import { portableHmacSha256 } from '../../../attestation/encoding/hash.js';
import { nativeHmacSha256 } from '../../../src/system/native-hmac.js';
import { fc } from '../../property.js';

test('equals the portable HMAC, of parts together below and beyond what is hashed at once', () => {
  const part = fc.oneof(
    fc.uint8Array({ maxLength: 300 }),
    fc.integer({ min: 0, max: 255 }).map((value) => new Uint8Array(65_400 + value).fill(value)),
  );
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 100 }),
      fc.array(part, { maxLength: 4 }),
      (key, parts) => {
        const expected = portableHmacSha256(key, parts);
        assert.deepEqual(new Uint8Array(nativeHmacSha256(key, parts)), expected);
      },
    ),
  );
});
