import { AssayError } from '../../attestation/encoding/error.js';
import { type Digest, digestOf, expectDigest } from './digest.js';
import type { Hub, OnProgress } from './hub.js';
import { Layout } from './layout.js';
import { type ImageManifest, parseManifest } from './manifest.js';
import { type ModelPackage, packageOf } from './package.js';
import type { Reference } from './reference.js';
import { type Access, Registry } from './registry.js';
import type { RegistryOptions } from './registry-client.js';

/** How to reach hubs, and who watches. */
export interface HubOptions extends RegistryOptions {
  readonly onProgress?: OnProgress;
}

/** Opens a hub; `access` is the right that a registry is asked for. */
export function openHub(reference: Reference, options: HubOptions, access: Access = 'pull'): Hub {
  return reference.kind === 'directory'
    ? new Layout(reference)
    : new Registry(reference, options, access);
}

/** A manifest with the digest that its bytes have. */
export interface FoundModel {
  readonly digest: Digest;
  readonly bytes: Uint8Array;
  readonly manifest: ImageManifest;
  readonly contents: ModelPackage;
}

/**
 * Reads the manifest that a reference names. Where it has a tag and a digest, the tag must mean the
 * digest: whoever writes both wants to hear of a moved tag.
 * @throws AssayError HUB_REFERENCE, HUB_NOT_FOUND, HUB_DIGEST, HUB_TAG_MOVED, HUB_MANIFEST, …
 */
export async function findModel(hub: Hub, reference: Reference): Promise<FoundModel> {
  const { tag, digest } = reference;
  const wanted = tag ?? digest;
  if (wanted === undefined) {
    throw new AssayError('HUB_REFERENCE', `expected a tag or a digest after ${hub.place}`);
  }
  const bytes = await hub.readManifest(wanted);
  const actual = digestOf(bytes);
  if (tag === undefined && digest !== undefined) expectDigest(bytes, digest, 'the manifest');
  if (digest !== undefined && actual !== digest) {
    throw new AssayError(
      'HUB_TAG_MOVED',
      `expected ${hub.place}:${tag} to be ${digest}: it was moved to ${actual} (without the tag, the digest alone decides)`,
    );
  }
  const manifest = parseManifest(bytes);
  return { digest: actual, bytes, manifest, contents: packageOf(manifest) };
}
