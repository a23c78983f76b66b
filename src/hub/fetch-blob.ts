import { createHash, type Hash } from 'node:crypto';
import { constants } from 'node:fs';
import { type FileHandle, open, rm } from 'node:fs/promises';
import { AssayError } from '../../attestation/encoding/error.js';
import { digestFrom } from './digest.js';
import type { Hub } from './hub.js';
import { partsOf, settle } from './local.js';
import type { Descriptor } from './manifest.js';
import { partsOfBlob } from './read-blob.js';
import { Backoff, type RetryPolicy } from './retry.js';

/** A transfer in progress: what the partial file holds has all gone through `hash`. */
interface PartialBlob {
  readonly file: FileHandle;
  hash: Hash;
  size: number;
}

async function openPartial(path: string, blob: Descriptor): Promise<PartialBlob> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_NOFOLLOW;
  const file = await open(path, flags, 0o644);
  const partial: PartialBlob = { file, hash: createHash('sha256'), size: 0 };
  for await (const part of partsOf(file)) {
    partial.hash.update(part);
    partial.size += part.length;
  }
  if (partial.size > blob.size) await restart(partial);
  return partial;
}

async function restart(partial: PartialBlob): Promise<void> {
  await partial.file.truncate(0);
  partial.hash = createHash('sha256');
  partial.size = 0;
}

async function receive(
  hub: Hub,
  blob: Descriptor,
  partial: PartialBlob,
  onPart: (done: number) => void,
): Promise<void> {
  const stream = await hub.openBlob(blob, partial.size);
  if (stream.start !== partial.size) await restart(partial);
  for await (const part of partsOfBlob(blob, stream)) {
    let written = 0;
    while (written < part.length) {
      const rest = part.length - written;
      const { bytesWritten } = await partial.file.write(
        part,
        written,
        rest,
        partial.size + written,
      );
      written += bytesWritten;
    }
    partial.hash.update(part);
    partial.size += part.length;
    onPart(partial.size);
  }
}

/**
 * Fetches a blob to `path`. Bytes go to `path.partial`, which an interruption leaves behind for the
 * next attempt; only content of the right size and digest, synchronised, gets the name.
 * @throws AssayError HUB_DIGEST, HUB_SIZE; HUB_UNREACHABLE, HUB_SERVICE when attempts are used up.
 */
export async function fetchBlob(
  hub: Hub,
  blob: Descriptor,
  path: string,
  retry: RetryPolicy,
  onProgress: (done: number) => void,
): Promise<void> {
  const temporary = `${path}.partial`;
  const partial = await openPartial(temporary, blob);
  const backoff = new Backoff(retry);
  let inherited = partial.size > 0;
  let furthest = partial.size;
  try {
    for (;;) {
      try {
        if (partial.size < blob.size) {
          await receive(hub, blob, partial, (done) => {
            if (done > furthest) backoff.progress();
            furthest = Math.max(furthest, done);
            onProgress(done);
          });
        }
      } catch (error) {
        await backoff.pause(error);
        continue;
      }
      const digest = digestFrom(partial.hash.digest());
      if (digest === blob.digest) break;
      await restart(partial);
      if (!inherited) {
        throw new AssayError('HUB_DIGEST', `expected a blob to be ${blob.digest}, not ${digest}`);
      }
      inherited = false;
    }
    await partial.file.sync();
  } catch (error) {
    await partial.file.close();
    if (partial.size === 0) await rm(temporary, { force: true });
    throw error;
  }
  await partial.file.close();
  await settle(temporary, path);
}
