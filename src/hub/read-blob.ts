import { AssayError } from '../../attestation/encoding/error.js';
import { expectDigest } from './digest.js';
import type { Hub } from './hub.js';
import type { Descriptor } from './manifest.js';
import { Backoff, DEFAULT_RETRY, type RetryPolicy } from './retry.js';

async function attempt(hub: Hub, blob: Descriptor): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let length = 0;
  const { body } = await hub.openBlob(blob, 0);
  for await (const part of body) {
    length += part.length;
    if (length > blob.size) {
      throw new AssayError(
        'HUB_SIZE',
        `expected ${blob.digest} to have ${blob.size} bytes, not more`,
      );
    }
    parts.push(part);
  }
  const bytes = new Uint8Array(Buffer.concat(parts));
  expectDigest(bytes, blob.digest, 'a blob');
  return bytes;
}

/**
 * Reads a small blob into memory, whole and verified.
 * @throws AssayError HUB_SIZE for one that is larger than its descriptor says, or than `limit`;
 *   HUB_DIGEST; HUB_UNREACHABLE, HUB_SERVICE when attempts are used up.
 */
export async function readBlob(
  hub: Hub,
  blob: Descriptor,
  limit: number,
  retry: RetryPolicy = DEFAULT_RETRY,
): Promise<Uint8Array> {
  if (blob.size > limit) {
    throw new AssayError('HUB_SIZE', `expected ${blob.digest} to have at most ${limit} bytes`);
  }
  const backoff = new Backoff(retry);
  for (;;) {
    try {
      return await attempt(hub, blob);
    } catch (error) {
      await backoff.pause(error);
    }
  }
}
