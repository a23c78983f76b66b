import { AssayError } from '../../attestation/encoding/error.js';
import { expectDigest } from './digest.js';
import type { BlobStream, Hub } from './hub.js';
import type { Descriptor } from './manifest.js';
import { Backoff, DEFAULT_RETRY, type RetryPolicy, TemporaryError } from './retry.js';

/**
 * What a hub sends of a blob, part by part. Whatever goes wrong on the way is the connection's fault, and
 * another attempt may go well: HUB_UNREACHABLE, also for too few bytes. Throws HUB_SIZE for too many.
 */
export async function* partsOfBlob(
  blob: Descriptor,
  { start, body }: BlobStream,
): AsyncGenerator<Uint8Array> {
  const { digest, size } = blob;
  let length = start;
  try {
    for await (const part of body) {
      length += part.length;
      if (length > size) {
        throw new AssayError('HUB_SIZE', `expected ${digest} to have ${size} bytes, not more`);
      }
      yield part;
    }
  } catch (cause) {
    if (cause instanceof AssayError) throw cause;
    throw new TemporaryError('HUB_UNREACHABLE', 'expected a whole blob: it broke off', cause);
  }
  if (length < size) {
    throw new TemporaryError(
      'HUB_UNREACHABLE',
      `expected ${size} bytes of ${digest}, not ${length}`,
    );
  }
}

async function attempt(hub: Hub, blob: Descriptor): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of partsOfBlob(blob, await hub.openBlob(blob, 0))) parts.push(part);
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
