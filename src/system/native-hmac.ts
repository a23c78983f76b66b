import { createHmac, hash } from 'node:crypto';

/** Block of SHA-256, bytes. */
const BLOCK = 64;
/**
 * Messages up to this size are copied and hashed in two calls of native code: after an inference, which
 * leaves the caches cold, that takes 0.045 ms in place of 0.065 for 36 KB and 0.093 in place of 0.105 for 110.
 */
const AT_ONCE = 128 * 1024;
const inner = Buffer.allocUnsafeSlow(BLOCK + AT_ONCE);
const outer = Buffer.allocUnsafeSlow(BLOCK + 32);

/**
 * HMAC-SHA-256 (RFC 2104) of the concatenation of the parts. Node's Hmac costs a small message four
 * times what hashing it does, and an inference needs two, so up to 128 KiB the construction is
 * written out over one-shot hashes. A key of more than a block, which RFC 2104 hashes first, is left to
 * Node.
 */
export function nativeHmacSha256(key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  if (key.length > BLOCK) return streamed(key, parts);
  let length = BLOCK;
  for (const part of parts) {
    if (length + part.length > inner.length) return streamed(key, parts);
    inner.set(part, length);
    length += part.length;
  }
  for (let i = 0; i < BLOCK; i++) {
    const byte = key[i] ?? 0;
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  outer.write(hash('sha256', inner.subarray(0, length), 'binary'), BLOCK, 'binary');
  return Buffer.from(hash('sha256', outer, 'binary'), 'binary');
}

function streamed(key: Uint8Array, parts: readonly Uint8Array[]): Uint8Array {
  const running = createHmac('sha256', key);
  for (const part of parts) running.update(part);
  return running.digest();
}
