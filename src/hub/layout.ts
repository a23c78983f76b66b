import { createHash, randomUUID } from 'node:crypto';
import type { Stats } from 'node:fs';
import { lstat, open, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import * as z from 'zod';
import { utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseStrictJson } from '../../attestation/encoding/json.js';
import { schemaError } from '../../attestation/encoding/schema.js';
import { makeFolders } from '../system/make-folders.js';
import { type Digest, digestFrom, digestSchema, expectDigest, hexOf, isDigest } from './digest.js';
import type { BlobStream, Hub } from './hub.js';
import {
  holds,
  ifPresent,
  openPlain,
  partsOf,
  readPlain,
  settle,
  withFileErrors,
  writeWhole,
} from './local.js';
import { withLock } from './lock.js';
import { type Descriptor, MAX_MANIFEST } from './manifest.js';
import { ARTIFACT_TYPE, INDEX_TYPE, MANIFEST_TYPE } from './media-type.js';
import { type DirectoryReference, placeOf } from './reference.js';

const MARK = 'oci-layout';
const INDEX = 'index.json';
const VERSION = utf8('{"imageLayoutVersion":"1.0.0"}');
const REF_NAME = 'org.opencontainers.image.ref.name';
const MAX_REPOSITORIES = 10_000;
/** Of a blob that is being written: its digest and a UUID. */
const DRAFT = /^\.[0-9a-f]{64}\.[0-9a-f-]{36}$/;
/** Milliseconds without a byte after which whoever wrote a draft is gone. */
const ABANDONED = 10 * 60_000;

const entry = z.looseObject({
  mediaType: z.string(),
  digest: digestSchema,
  size: z.int().min(0),
  annotations: z.record(z.string(), z.string()).optional(),
});
const schema = z.looseObject({ schemaVersion: z.literal(2), manifests: z.array(entry) });
type Index = z.infer<typeof schema>;
const EMPTY_INDEX: Index = { schemaVersion: 2, mediaType: INDEX_TYPE, manifests: [] };

/** What has a name, links themselves; undefined where nothing has. Throws HUB_FILE. */
async function namedBy(path: string): Promise<Stats | undefined> {
  return withFileErrors(`reading ${path}`, () => ifPresent(lstat(path)));
}

/**
 * False where a folder has neither mark nor index. Throws HUB_LAYOUT where it has not both as they
 * should be: a push that took it for a new layout would forget every tag of the index.
 */
async function isLayout(path: string): Promise<boolean> {
  // A first push writes the mark before the index: whoever sees the index then sees the mark.
  const index = await namedBy(join(path, INDEX));
  const mark = await namedBy(join(path, MARK));
  if (mark?.isFile()) return true;
  if (mark === undefined && index === undefined) return false;
  throw new AssayError(
    'HUB_LAYOUT',
    `expected ${path} to be an OCI image layout: its ${MARK} is ${mark === undefined ? 'missing' : 'no regular file'}`,
  );
}

/** Folders below a folder that are marked as layouts; `.` stands for the folder itself. */
export async function listLayouts(path: string): Promise<readonly string[]> {
  if (await isLayout(path)) return ['.'];
  const found: string[] = [];
  const names = await withFileErrors(`listing ${path}`, () => readdir(path));
  for (const name of names.sort().slice(0, MAX_REPOSITORIES)) {
    // A file, or a folder that cannot be looked into, is no layout that could be listed.
    const mark = await namedBy(join(path, name, MARK)).catch(() => undefined);
    if (mark !== undefined) found.push(name);
  }
  return found;
}

/** A directory as a hub: one OCI image layout (image-spec 1.1, image-layout.md) is one repository. */
export class Layout implements Hub {
  readonly place: string;
  readonly #path: string;

  constructor(reference: DirectoryReference) {
    this.#path = reference.path;
    this.place = placeOf(reference);
  }

  #blob(digest: Digest): string {
    return join(this.#path, 'blobs', 'sha256', hexOf(digest));
  }

  async #index(): Promise<Index> {
    const path = join(this.#path, INDEX);
    const bytes = await readPlain(path, MAX_MANIFEST);
    const parsed = schema.safeParse(parseStrictJson(bytes, path, 'HUB_LAYOUT'));
    if (parsed.success) return parsed.data;
    throw schemaError('HUB_LAYOUT', path, parsed.error);
  }

  /** A mark alone is what a first push leaves that ended early: a layout that has no tags yet. */
  async #existingIndex(): Promise<Index | undefined> {
    if (!(await isLayout(this.#path))) return undefined;
    return (await namedBy(join(this.#path, INDEX))) === undefined ? EMPTY_INDEX : this.#index();
  }

  async readManifest(tagOrDigest: string): Promise<Uint8Array> {
    const index = await this.#existingIndex();
    const found = index?.manifests.find(({ digest, annotations }) =>
      isDigest(tagOrDigest) ? digest === tagOrDigest : annotations?.[REF_NAME] === tagOrDigest,
    );
    const digest = isDigest(tagOrDigest) ? tagOrDigest : found?.digest;
    if (index === undefined || digest === undefined) {
      throw new AssayError('HUB_NOT_FOUND', `expected ${tagOrDigest} in ${this.place}`);
    }
    const bytes = await readPlain(this.#blob(digest), MAX_MANIFEST);
    expectDigest(bytes, digest, `the manifest of ${tagOrDigest} in ${this.place}`);
    return bytes;
  }

  async openBlob(blob: Descriptor, start: number): Promise<BlobStream> {
    const file = await openPlain(this.#blob(blob.digest));
    const { size } = await file.stat();
    if (size !== blob.size) {
      await file.close();
      throw new AssayError(
        'HUB_SIZE',
        `expected ${blob.digest} in ${this.place} to have ${blob.size} bytes, not ${size}`,
      );
    }
    const body = async function* (): AsyncGenerator<Uint8Array> {
      try {
        yield* partsOf(file, start);
      } finally {
        await file.close();
      }
    };
    return { start, body: body() };
  }

  hasBlob(blob: Descriptor): Promise<boolean> {
    return holds(this.#blob(blob.digest), blob);
  }

  async #prepare(): Promise<void> {
    await makeFolders(join(this.#path, 'blobs', 'sha256'));
  }

  /** Removes what pushes that were killed left, by the file system's own clock. */
  async #removeAbandoned(now: number): Promise<void> {
    const folder = join(this.#path, 'blobs');
    for (const name of await readdir(folder)) {
      if (!DRAFT.test(name)) continue;
      const draft = await ifPresent(lstat(join(folder, name)));
      if (draft?.isFile() && now - draft.mtimeMs > ABANDONED) {
        await rm(join(folder, name), { force: true });
      }
    }
  }

  /** Copies a file while hashing it; what does not match never gets the blob's name. */
  async writeBlob(
    blob: Descriptor,
    file: string,
    onProgress: (done: number) => void,
  ): Promise<void> {
    await withFileErrors(`writing to ${this.#path}`, () => this.#copy(blob, file, onProgress));
  }

  async #copy(blob: Descriptor, file: string, onProgress: (done: number) => void): Promise<void> {
    await this.#prepare();
    const temporary = join(this.#path, 'blobs', `.${hexOf(blob.digest)}.${randomUUID()}`);
    const source = await openPlain(file);
    const target = await open(temporary, 'wx', 0o644);
    try {
      await this.#removeAbandoned((await target.stat()).mtimeMs);
      const hash = createHash('sha256');
      let done = 0;
      for await (const part of partsOf(source)) {
        hash.update(part);
        await target.writeFile(part);
        done += part.length;
        onProgress(done);
      }
      if (digestFrom(hash.digest()) !== blob.digest) {
        throw new AssayError('HUB_CHANGED', `expected ${file} not to change while it is pushed`);
      }
      await target.sync();
      await settle(temporary, this.#blob(blob.digest));
    } finally {
      await Promise.all([source.close(), target.close()]);
      await rm(temporary, { force: true });
    }
  }

  async writeManifest(bytes: Uint8Array, digest: Digest, tag: string | undefined): Promise<void> {
    await withFileErrors(`writing to ${this.#path}`, () => this.#writeManifest(bytes, digest, tag));
  }

  async #writeManifest(bytes: Uint8Array, digest: Digest, tag: string | undefined): Promise<void> {
    await this.#prepare();
    await withLock(join(this.#path, `${INDEX}.lock`), async () => {
      await writeWhole(this.#blob(digest), bytes);
      const existing = await this.#existingIndex();
      if (existing === undefined) await writeWhole(join(this.#path, MARK), VERSION);
      const index = existing ?? EMPTY_INDEX;
      const isListed = index.manifests.some((listed) => listed.digest === digest);
      if (tag === undefined && isListed) return;
      const others = index.manifests.filter(
        ({ annotations }) => tag === undefined || annotations?.[REF_NAME] !== tag,
      );
      const added = {
        mediaType: MANIFEST_TYPE,
        artifactType: ARTIFACT_TYPE,
        digest,
        size: bytes.length,
        ...(tag === undefined ? {} : { annotations: { [REF_NAME]: tag } }),
      };
      const next = { ...index, manifests: [...others, added] };
      await writeWhole(join(this.#path, INDEX), utf8(JSON.stringify(next)));
    });
  }

  async tags(): Promise<readonly string[]> {
    const index = await this.#existingIndex();
    if (index === undefined) {
      throw new AssayError('HUB_NOT_FOUND', `expected ${this.place} to be an OCI image layout`);
    }
    return index.manifests.flatMap(({ annotations }) => annotations?.[REF_NAME] ?? []);
  }
}
