import type { Digest } from './digest.js';
import type { Descriptor } from './manifest.js';

/** Bytes that have come or gone, for whoever shows it. `name` is a file of the package. */
export type OnProgress = (name: string, done: number, total: number) => void;

/** The bytes of a blob from `start`, which is what was asked for, or 0 where a hub has no ranges. */
export interface BlobStream {
  readonly start: number;
  readonly body: AsyncIterable<Uint8Array>;
}

/**
 * One repository of models: in an OCI registry, or in a directory. What it returns is not trusted:
 * whoever reads verifies size and digest while the bytes stream.
 */
export interface Hub {
  /** The reference without tag and digest. */
  readonly place: string;
  /** A manifest's bytes, bounded; throws HUB_NOT_FOUND, and HUB_DIGEST where the hub itself states another. */
  readManifest(tagOrDigest: string): Promise<Uint8Array>;
  openBlob(blob: Descriptor, start: number): Promise<BlobStream>;
  hasBlob(blob: Descriptor): Promise<boolean>;
  /** Stores a file as a blob, going on where an interrupted upload stopped. */
  writeBlob(blob: Descriptor, file: string, onProgress: (done: number) => void): Promise<void>;
  /** Stores a manifest, all of whose blobs are there, under its digest and the tag. */
  writeManifest(bytes: Uint8Array, digest: Digest, tag: string | undefined): Promise<void>;
  tags(): Promise<readonly string[]>;
}
