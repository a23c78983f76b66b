import * as z from 'zod';
import { fromUtf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { parseStrictJson } from '../../attestation/encoding/json.js';
import { type Digest, digestOf } from './digest.js';
import { discard, expectIdentity, type HttpResponse } from './http.js';
import type { BlobStream, Hub } from './hub.js';
import { linkTarget } from './link-header.js';
import { type Descriptor, MAX_MANIFEST } from './manifest.js';
import { INDEX_TYPE, MANIFEST_TYPE } from './media-type.js';
import { placeOf, type RegistryReference } from './reference.js';
import { RegistryClient, type RegistryOptions } from './registry-client.js';
import { upload } from './upload.js';

const MAX_LIST = 4 * 1024 * 1024;
const MAX_PAGES = 1000;
const MAX_NAMES = 100_000;
/** Range Not Satisfiable, Not Implemented: the whole may be had where a part cannot. */
const RANGE_REFUSED: readonly number[] = [416, 501];
const names = z.array(z.string().max(512)).nullish();
const page = z.looseObject({ tags: names, repositories: names });

function checkDigestHeader(response: HttpResponse, actual: Digest): void {
  const stated = response.headers['docker-content-digest'];
  if (stated !== undefined && stated !== actual) {
    throw new AssayError(
      'HUB_DIGEST',
      `expected ${response.url.host} to state the digest of what it holds: ${actual}`,
    );
  }
}

/**
 * Start of what a response brings of a blob that is wanted from `start` on (RFC 9110, 14.4); undefined for
 * another part than that.
 */
function rangeStart(response: HttpResponse, blob: Descriptor, start: number): number | undefined {
  if (response.status === 200) return 0;
  const expected = `bytes ${start}-${blob.size - 1}/${blob.size}`;
  const actual = response.headers['content-range'];
  return actual === expected || actual === expected.replace(/\/\d+$/, '/*') ? start : undefined;
}

/** URL of the next page (Link header, relation "next"), on the registry alone. */
function nextPage(response: HttpResponse, base: URL): URL | undefined {
  const target = linkTarget(String(response.headers['link'] ?? ''), 'next');
  if (target === undefined) return undefined;
  const url = URL.canParse(target, response.url) ? new URL(target, response.url) : undefined;
  if (url?.origin === base.origin) return url;
  throw new AssayError('HUB_PROTOCOL', 'expected the next page of a list on the same registry');
}

async function list(
  client: RegistryClient,
  path: string,
  member: 'tags' | 'repositories',
): Promise<readonly string[]> {
  const found: string[] = [];
  let url: URL | undefined = new URL(`${path}?n=1000`, client.base);
  for (let pages = 0; url !== undefined; pages++) {
    const { response, bytes } = await client.read({ url }, MAX_LIST, 'a list of names');
    const json = parseStrictJson(fromUtf8(bytes), 'a list of names', 'HUB_PROTOCOL');
    const parsed = page.safeParse(json);
    if (!parsed.success) throw new AssayError('HUB_PROTOCOL', 'expected a list of names');
    const more = parsed.data[member] ?? [];
    if (pages >= MAX_PAGES || found.length + more.length > MAX_NAMES) {
      throw new AssayError('HUB_SIZE', `expected at most ${MAX_NAMES} names in a list`);
    }
    found.push(...more);
    url = nextPage(response, client.base);
  }
  return found;
}

/** Repositories of a registry, where it tells (Docker's `_catalog`). */
export async function listRepositories(
  host: string,
  options: RegistryOptions,
): Promise<readonly string[]> {
  return list(new RegistryClient(host, 'registry:catalog:*', options), '_catalog', 'repositories');
}

/** What may be done to a repository: `push` is to pull as well. */
export type Access = 'pull' | 'push';

/** A repository in an OCI registry (OCI distribution-spec 1.1). */
export class Registry implements Hub {
  readonly place: string;
  readonly #client: RegistryClient;
  readonly #repository: string;

  /** @param access the right that is asked for. Throws HUB_REFERENCE without a repository. */
  constructor(reference: RegistryReference, options: RegistryOptions, access: Access) {
    const { host, repository } = reference;
    if (repository === undefined) {
      throw new AssayError('HUB_REFERENCE', `expected a repository in oci://${host}`);
    }
    this.place = placeOf(reference);
    this.#repository = repository;
    const actions = access === 'push' ? 'pull,push' : 'pull';
    this.#client = new RegistryClient(host, `repository:${repository}:${actions}`, options);
  }

  #url(path: string): URL {
    return new URL(`${this.#repository}/${path}`, this.#client.base);
  }

  async readManifest(tagOrDigest: string): Promise<Uint8Array> {
    const url = this.#url(`manifests/${tagOrDigest}`);
    const headers = { accept: `${MANIFEST_TYPE}, ${INDEX_TYPE};q=0.5` };
    const { response, bytes } = await this.#client.read(
      { url, headers },
      MAX_MANIFEST,
      'a manifest',
    );
    checkDigestHeader(response, digestOf(bytes));
    return bytes;
  }

  async openBlob(blob: Descriptor, start: number): Promise<BlobStream> {
    const url = this.#url(`blobs/${blob.digest}`);
    const partial = start > 0;
    const headers = partial ? { range: `bytes=${start}-${blob.size - 1}` } : {};
    const expect = partial ? [200, 206, ...RANGE_REFUSED] : [200];
    const response = await this.#client.request(
      { method: 'GET', url, headers },
      { expect, repeatable: false },
    );
    if (RANGE_REFUSED.includes(response.status)) {
      discard(response);
      return this.openBlob(blob, 0);
    }
    expectIdentity(response);
    const from = rangeStart(response, blob, start);
    if (from !== undefined) return { start: from, body: response.body };
    response.body.destroy();
    return this.openBlob(blob, 0);
  }

  async hasBlob(blob: Descriptor): Promise<boolean> {
    const url = this.#url(`blobs/${blob.digest}`);
    const response = await this.#client.request({ method: 'HEAD', url }, { expect: [200, 404] });
    discard(response);
    return response.status === 200;
  }

  writeBlob(blob: Descriptor, file: string, onProgress: (done: number) => void): Promise<void> {
    const start = this.#url('blobs/uploads/');
    return upload(this.#client, start, blob, file, () => this.hasBlob(blob), onProgress);
  }

  async writeManifest(bytes: Uint8Array, digest: Digest, tag: string | undefined): Promise<void> {
    const url = this.#url(`manifests/${tag ?? digest}`);
    const headers = { 'content-type': MANIFEST_TYPE };
    const response = await this.#client.request(
      { method: 'PUT', url, headers, body: bytes },
      { expect: [200, 201] },
    );
    discard(response);
    checkDigestHeader(response, digest);
  }

  tags(): Promise<readonly string[]> {
    return list(this.#client, `${this.#repository}/tags/list`, 'tags');
  }
}
