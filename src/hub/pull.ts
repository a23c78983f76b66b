import { readdir, rename, rm, rmdir } from 'node:fs/promises';
import { join } from 'node:path';
import { utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { errnoOf, isMissing } from '../system/errno.js';
import { makeFolders } from '../system/make-folders.js';
import { hexOf } from './digest.js';
import { fetchBlob } from './fetch-blob.js';
import type { Hub } from './hub.js';
import { verifyPackage } from './identify.js';
import { holds, makeParents, withFileErrors } from './local.js';
import { withLock } from './lock.js';
import { parseManifest } from './manifest.js';
import { type FoundModel, findModel, type HubOptions, openHub } from './open-hub.js';
import { type ModelPackage, type PackageFile, packageOf, sizeOf } from './package.js';
import { type PullRecord, RECORD, readRecord, writeRecord } from './record.js';
import type { Reference } from './reference.js';
import { DEFAULT_RETRY } from './retry.js';

const STAGING = '.assay-staging';
const LOCK = '.assay-lock';
/** How the names begin of what a pull that ended early leaves, before it placed anything. */
const LEFT = [STAGING, LOCK, RECORD];
/** Blobs that are fetched at a time: packages have many small files, and latency adds up. */
const PARALLEL = 4;

export interface PullOptions extends HubOptions {
  /** Takes what a moved tag means now. Default: a moved tag is an error. */
  readonly acceptMove?: boolean;
  /** Leaves the originals in the hub: a node has no use for them. Default: everything is pulled. */
  readonly skipOriginals?: boolean;
  /** Bytes that all files may have together; default 256 GiB. */
  readonly maxSize?: number;
  /** Throws for a package that the caller cannot use, originals included: nothing of it is fetched then. */
  readonly check?: (whole: ModelPackage) => void;
}

const MAX_SIZE = 256 * 1024 ** 3;

/** A package on its way from a hub to a folder. */
interface Pull {
  readonly directory: string;
  readonly hub: Hub;
  readonly reference: Reference;
  readonly found: FoundModel;
  readonly options: PullOptions;
}

function checkSpace(files: readonly PackageFile[], limit: number): void {
  const total = sizeOf(files);
  if (total <= limit) return;
  throw new AssayError('HUB_SIZE', `expected a package of at most ${limit} bytes, not ${total}`);
}

/** Refuses a folder that holds something else than the same model, or an earlier one of the tag. */
async function checkFolder(
  { directory, hub, reference, found, options }: Pull,
  record: PullRecord | undefined,
): Promise<void> {
  if (record === undefined) {
    const names = await readdir(directory);
    if (names.every((name) => LEFT.some((left) => name.startsWith(left)))) return;
    throw new AssayError('HUB_OCCUPIED', `expected ${directory} to be empty, or from a hub`);
  }
  if (record.digest === found.digest) return;
  if (record.place !== hub.place || record.tag === undefined || record.tag !== reference.tag) {
    throw new AssayError('HUB_OCCUPIED', `${directory} holds another model: ${record.digest}`);
  }
  if (options.acceptMove) return;
  throw new AssayError(
    'HUB_TAG_MOVED',
    `expected ${hub.place}:${record.tag} to be ${record.digest}, as it was when ${directory} was pulled: it was moved to ${found.digest}`,
  );
}

async function inParallel<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const queue = items.values();
  let failed = false;
  const workers = Array.from({ length: PARALLEL }, async () => {
    for (const item of queue) {
      if (failed) return;
      try {
        await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  });
  for (const result of await Promise.allSettled(workers)) {
    if (result.status === 'rejected') throw result.reason;
  }
}

/** The part of a package that a node needs. */
export function withoutOriginals(contents: ModelPackage): ModelPackage {
  return { ...contents, files: contents.files.filter(({ role }) => role !== 'original') };
}

/** True when every file of the package is in its place, by digest. */
export async function isComplete(
  directory: string,
  files: readonly PackageFile[],
): Promise<boolean> {
  for (const { path, blob } of files) {
    if (!(await holds(join(directory, path), blob))) return false;
  }
  return true;
}

async function mark(
  { directory, hub, reference, found }: Pull,
  state: PullRecord['state'],
): Promise<void> {
  const { tag } = reference;
  const named = tag === undefined ? {} : { tag };
  const record = { place: hub.place, ...named, state, digest: found.digest };
  await writeRecord(directory, record, found.bytes);
}

/** Folders above these files, the deepest first. */
function parentsOf(paths: readonly string[]): readonly string[] {
  const parents = new Set(
    paths.flatMap((path) =>
      path.split('/').flatMap((_, depth, all) => (depth > 0 ? all.slice(0, depth).join('/') : [])),
    ),
  );
  return [...parents].sort((a, b) => b.length - a.length);
}

/** Leaves a folder that holds something, or that is none. */
async function removeEmpty(folder: string): Promise<void> {
  try {
    await rmdir(folder);
  } catch (error) {
    if (!isMissing(error) && !['ENOTEMPTY', 'EEXIST'].includes(errnoOf(error) ?? '')) throw error;
  }
}

/**
 * Takes away what an earlier pull placed, with the folders that it leaves empty: a test set without files is none
 * of the package's. A crash in between leaves a folder that says so.
 */
async function clear(directory: string, record: PullRecord): Promise<void> {
  const { manifest, version: _, ...rest } = record;
  const bytes = utf8(manifest);
  await writeRecord(directory, { ...rest, state: 'placing' }, bytes);
  const paths = packageOf(parseManifest(bytes)).files.map(({ path }) => path);
  for (const path of paths) await rm(join(directory, path), { force: true });
  for (const parent of parentsOf(paths)) await removeEmpty(join(directory, parent));
}

async function replace(pull: Pull, record: PullRecord | undefined): Promise<void> {
  const { directory, hub, options } = pull;
  const { contents } = pull.found;
  const staging = join(directory, STAGING);
  await makeFolders(staging);
  const staged = new Map(
    contents.files.map(({ path, blob }, i) => [path, join(staging, `${hexOf(blob.digest)}-${i}`)]),
  );
  const locate = (path: string): string => staged.get(path) ?? join(staging, 'absent');
  await inParallel(contents.files, async ({ path, blob }) => {
    const show = (done: number): void => options.onProgress?.(path, done, blob.size);
    if (await holds(locate(path), blob)) return show(blob.size);
    await fetchBlob(hub, blob, locate(path), options.retry ?? DEFAULT_RETRY, show);
  });
  await verifyPackage(contents, locate);
  if (record !== undefined) await clear(directory, record);
  await mark(pull, 'placing');
  for (const { path } of contents.files) {
    await makeParents(directory, path);
    await rename(locate(path), join(directory, path));
  }
  await mark(pull, 'complete');
  await rm(staging, { recursive: true, force: true });
}

/**
 * Pulls a package to a folder. Nothing takes its place there before everything is verified: size
 * and SHA-256 of every file, and for a model the computation that the manifest states. An
 * interrupted pull goes on where it stopped. The folder remembers what its tag meant.
 * @throws AssayError HUB_TAG_MOVED, HUB_OCCUPIED, HUB_DIGEST, HUB_GRAPH, …
 */
export async function pullModel(
  reference: Reference,
  directory: string,
  options: PullOptions = {},
): Promise<FoundModel> {
  const hub = openHub(reference, options);
  const whole = await findModel(hub, reference);
  options.check?.(whole.contents);
  const contents = options.skipOriginals ? withoutOriginals(whole.contents) : whole.contents;
  const found = { ...whole, contents };
  checkSpace(contents.files, options.maxSize ?? MAX_SIZE);
  const pull: Pull = { directory, hub, reference, found, options };
  const settle = async (): Promise<void> => {
    const record = await readRecord(directory);
    await checkFolder(pull, record);
    const same = record?.digest === found.digest;
    if (!same || !(await isComplete(directory, found.contents.files))) {
      await replace(pull, record);
    } else if (reference.tag !== undefined) await mark(pull, 'complete');
  };
  await withFileErrors(`writing to ${directory}`, async () => {
    await makeFolders(directory);
    await withLock(join(directory, LOCK), settle);
  });
  return found;
}
