import { createHash } from 'node:crypto';
import { join } from 'node:path';
import * as z from 'zod';
import { fromBase64, fromUtf8, toBase64 } from '../../attestation/encoding/bytes.js';
import type { CachedAnswer, EndorsementCache } from '../../attestation/endorsements/source.js';
import { cacheFolder } from '../system/cache-folder.js';
import type { Environment } from '../system/environment.js';
import { makeFolders } from '../system/make-folders.js';
import { readRegular } from '../system/open-regular.js';
import { replaceFile } from '../system/replace-file.js';

/** Bytes of an entry: a body of 4 MiB, the most that is fetched, in base64, and its headers. */
const MAX_ENTRY = 8 * 1024 * 1024;

const entrySchema = z.strictObject({
  url: z.string(),
  storedAt: z.iso.datetime(),
  headers: z.record(z.string(), z.string()),
  body: z.base64(),
});

/** Where endorsements are kept unless the caller says otherwise: XDG_CACHE_HOME or ~/.cache. */
export function defaultCacheDirectory(env: Environment): string {
  return cacheFolder(env, 'endorsements');
}

/**
 * Vendors' answers on disk, one file each, named by the SHA-256 of its URL and written whole or not
 * at all, so that processes can share a directory. An entry that does not parse is no entry. Holds
 * public endorsements only; whatever it returns is verified like the network's.
 */
export class DiskCache implements EndorsementCache {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
  }

  #path(url: string): string {
    return join(this.#directory, `${createHash('sha256').update(url).digest('hex')}.json`);
  }

  async get(url: string): Promise<CachedAnswer | undefined> {
    try {
      const bytes = await readRegular(this.#path(url), MAX_ENTRY);
      const entry = entrySchema.parse(JSON.parse(fromUtf8(bytes)));
      if (entry.url !== url) return undefined;
      const { headers, body, storedAt } = entry;
      return { headers, body: fromBase64(body), storedAt: new Date(storedAt) };
    } catch {
      return undefined;
    }
  }

  async put(url: string, { storedAt, headers, body }: CachedAnswer): Promise<void> {
    const entry = { url, storedAt: storedAt.toISOString(), headers, body: toBase64(body) };
    await makeFolders(this.#directory);
    await replaceFile(this.#path(url), JSON.stringify(entry));
  }
}
