import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AssayError } from '../../attestation/encoding/error.js';
import { digestOf } from './digest.js';
import type { Hub } from './hub.js';
import {
  ANNOTATION,
  EMPTY_CONFIG,
  encodeManifest,
  MAX_MANIFEST,
  parseManifest,
} from './manifest.js';
import { type FoundModel, type HubOptions, openHub } from './open-hub.js';
import { packageOf } from './package.js';
import type { LocalPackage } from './package-source.js';
import type { Reference } from './reference.js';

export interface PushOptions extends HubOptions {
  /**
   * Lets a tag that means another model mean this one. Default: that is an error. What the tag meant is not
   * read then: a tag whose manifest is corrupted can be given another.
   */
  readonly moveTag?: boolean;
}

/** What a push made: whether each file travelled, or was there already. */
export interface PushedModel extends FoundModel {
  readonly uploaded: readonly string[];
  readonly present: readonly string[];
}

async function checkTag(hub: Hub, tag: string, digest: string): Promise<void> {
  let bytes: Uint8Array;
  try {
    bytes = await hub.readManifest(tag);
  } catch (error) {
    if (error instanceof AssayError && error.code === 'HUB_NOT_FOUND') return;
    throw error;
  }
  const actual = digestOf(bytes);
  if (actual === digest) return;
  throw new AssayError(
    'HUB_TAG_TAKEN',
    `expected the tag ${tag} to be free: it means ${actual}, and this model is ${digest}`,
  );
}

async function writeConfig(hub: Hub): Promise<void> {
  if (await hub.hasBlob(EMPTY_CONFIG.descriptor)) return;
  const folder = await mkdtemp(join(tmpdir(), 'assay-hub-'));
  try {
    const file = join(folder, 'config.json');
    await writeFile(file, EMPTY_CONFIG.bytes);
    await hub.writeBlob(EMPTY_CONFIG.descriptor, file, () => {});
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * Pushes a package: first the blobs that the hub does not have, then the manifest, so that a hub
 * never names what it has not. The same package has the same digest wherever it is pushed.
 * @throws AssayError HUB_TAG_TAKEN, HUB_DIGEST where the reference's digest is not the package's, …
 */
export async function pushModel(
  source: LocalPackage,
  reference: Reference,
  options: PushOptions = {},
): Promise<PushedModel> {
  const { title, graph, files } = source.contents;
  const bytes = encodeManifest(
    files.map(({ blob }) => blob),
    {
      ...(title === undefined ? {} : { [ANNOTATION.title]: title }),
      ...(graph === undefined ? {} : { [ANNOTATION.graph]: graph }),
    },
  );
  if (bytes.length > MAX_MANIFEST) {
    throw new AssayError('HUB_SIZE', `expected a manifest of at most ${MAX_MANIFEST} bytes`);
  }
  const digest = digestOf(bytes);
  if (reference.digest !== undefined && reference.digest !== digest) {
    throw new AssayError(
      'HUB_DIGEST',
      `expected the package to be ${reference.digest}, not ${digest}`,
    );
  }
  const manifest = parseManifest(bytes);
  const contents = packageOf(manifest);
  const hub = openHub(reference, options, 'push');
  if (reference.tag !== undefined && options.moveTag !== true) {
    await checkTag(hub, reference.tag, digest);
  }
  const uploaded: string[] = [];
  const present: string[] = [];
  for (const { path, blob } of files) {
    if (await hub.hasBlob(blob)) {
      present.push(path);
      options.onProgress?.(path, blob.size, blob.size);
      continue;
    }
    const file = source.sources.get(path);
    if (file === undefined) throw new AssayError('HUB_FILE', `expected to know where ${path} is`);
    await hub.writeBlob(blob, file, (done) => options.onProgress?.(path, done, blob.size));
    uploaded.push(path);
  }
  await writeConfig(hub);
  await hub.writeManifest(bytes, digest, reference.tag);
  return { digest, bytes, manifest, contents, uploaded, present };
}
