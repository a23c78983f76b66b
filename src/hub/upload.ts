import type { FileHandle } from 'node:fs/promises';
import { AssayError } from '../../attestation/encoding/error.js';
import { discard, type HttpResponse, locationOf, type SentParts } from './http.js';
import { openPlain, partsOf } from './local.js';
import type { Descriptor } from './manifest.js';
import type { RegistryClient } from './registry-client.js';
import { TemporaryError } from './retry.js';

const SMALLEST_CHUNK = 1024 * 1024;
/** Sessions that a registry may lose before the upload is given up. */
const MAX_SESSIONS = 5;

/** A state of an upload: where to go on, and what the registry has. */
interface Session {
  readonly location: URL;
  readonly offset: number;
  readonly chunk: number;
  /** True where the offset is the registry's own account of an interrupted upload. */
  readonly recovered?: boolean;
}

class SessionLost extends Error {}

/** The registry does not take parts as the specification has it; most take a blob as one. */
class PartsRefused extends Error {}

/** What such registries answer to a part. Others answer as if they had it, and say that they have not. */
const REFUSED: readonly number[] = [400, 405, 415, 501];

async function readAt(file: FileHandle, offset: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.alloc(length);
  const { bytesRead } = await file.read(bytes, 0, length, offset);
  if (bytesRead === length) return bytes;
  throw new AssayError('HUB_CHANGED', 'expected a file not to shrink while it is pushed');
}

/** All of a file, as long as it was: throws HUB_CHANGED where it is not. */
async function* wholeFile(file: FileHandle, size: number): AsyncGenerator<Uint8Array> {
  let left = size;
  for await (const part of partsOf(file)) {
    left -= part.length;
    if (left < 0) break;
    yield part;
  }
  if (left === 0) return;
  throw new AssayError('HUB_CHANGED', 'expected a file not to change while it is pushed');
}

/** Bytes that a registry has: `Range: 0-<last>` (distribution-spec 1.1, "Pushing a blob in chunks"). */
function received(response: HttpResponse, size: number): number {
  const range = response.headers['range'];
  if (range === undefined) return 0;
  const match = /^(?:bytes=)?0-(\d{1,15})$/.exec(range);
  const last = match === null ? Number.NaN : Number(match[1]);
  // Registries write 0-0 both for no byte and for one. Nothing is assumed: should there be one, the
  // part is refused, or at last the digest, and the upload starts anew.
  const offset = last === 0 ? 0 : last + 1;
  if (offset <= size) return offset;
  throw new AssayError('HUB_PROTOCOL', `expected an upload of ${size} bytes to be at a part of it`);
}

class Upload {
  readonly #client: RegistryClient;
  readonly #start: URL;
  readonly #blob: Descriptor;
  readonly #file: FileHandle;

  constructor(client: RegistryClient, start: URL, blob: Descriptor, file: FileHandle) {
    this.#client = client;
    this.#start = start;
    this.#blob = blob;
    this.#file = file;
  }

  async begin(chunk: number): Promise<Session> {
    const response = await this.#client.request(
      { method: 'POST', url: this.#start },
      { expect: [202] },
    );
    discard(response);
    const least = Number(response.headers['oci-chunk-min-length'] ?? 0);
    return {
      location: locationOf(response),
      offset: 0,
      chunk: Number.isSafeInteger(least) && least > chunk && least <= 2 ** 30 ? least : chunk,
    };
  }

  /** Asks what arrived of an interrupted upload. */
  async recover(session: Session): Promise<Session> {
    const response = await this.#client.request(
      { method: 'GET', url: session.location },
      { expect: [200, 204, 400, 404] },
    );
    discard(response);
    if (response.status >= 400) throw new SessionLost();
    const location =
      response.headers.location === undefined ? session.location : locationOf(response);
    return { ...session, location, offset: received(response, this.#blob.size), recovered: true };
  }

  /** Sends all of it, which ends the upload. */
  async finish({ location }: Session): Promise<void> {
    const { size } = this.#blob;
    const body = { length: size, parts: () => wholeFile(this.#file, size) };
    const { status, url } = await this.#put(location, body, [201, 202, 204, 404]);
    if (status === 404) throw new SessionLost();
    if (status === 202) throw new TemporaryError('HUB_SERVICE', `${url.host} stored no blob`);
  }

  /** Ends the upload with what is left of it. */
  async #put(
    location: URL,
    body: Uint8Array | SentParts,
    expect: readonly number[],
  ): Promise<HttpResponse> {
    const url = new URL(location);
    url.searchParams.set('digest', this.#blob.digest);
    const headers = { 'content-type': 'application/octet-stream' };
    const request = { method: 'PUT', url, headers, body } as const;
    const response = await this.#client.request(request, { expect, repeatable: false });
    discard(response);
    return response;
  }

  /** Sends a part. */
  async #patch(url: URL, body: Uint8Array, offset: number): Promise<HttpResponse> {
    const headers = {
      'content-type': 'application/octet-stream',
      'content-range': `${offset}-${offset + body.length - 1}`,
    };
    const response = await this.#client.request(
      { method: 'PATCH', url, headers, body },
      { expect: [201, 202, 204, 404, 413, 416, ...REFUSED], repeatable: false },
    );
    discard(response);
    if (REFUSED.includes(response.status)) throw new PartsRefused();
    return response;
  }

  /** Sends the next part, or what ends the upload; returns undefined when the blob is stored. */
  async step(session: Session): Promise<Session | undefined> {
    const { size } = this.#blob;
    const { location, offset, chunk } = session;
    const length = Math.min(chunk, size - offset);
    const body = await readAt(this.#file, offset, length);
    const last = length === size || length === 0;
    const response = last
      ? await this.#put(location, body, [201, 202, 204, 404, 413, 416])
      : await this.#patch(location, body, offset);
    const { status, url } = response;
    if (status === 404) throw new SessionLost();
    // Some say so of a part that is too large; where the offset is theirs nothing else can be meant.
    const isOffset = status === 416 && offset > 0 && session.recovered !== true;
    if ((status === 413 || status === 416) && !isOffset && chunk > SMALLEST_CHUNK) {
      return { ...session, chunk: Math.max(SMALLEST_CHUNK, Math.floor(chunk / 4)) };
    }
    if (status === 416 && session.recovered) throw new SessionLost();
    if (status === 413 || status === 416) {
      throw new TemporaryError('HUB_SERVICE', `${url.host} refuses a part: status ${status}`);
    }
    if (last) return undefined;
    const next = received(response, size);
    if (next <= offset) throw new PartsRefused();
    return { location: locationOf(response), offset: next, chunk };
  }
}

/** True where a session, once interrupted, may be what is wrong, and not the file. */
function isSpoilt(error: unknown): boolean {
  const codes: readonly string[] = ['HUB_PROTOCOL', 'HUB_DIGEST'];
  return error instanceof AssayError && codes.includes(error.code);
}

/**
 * Uploads a file as a blob, in parts. Where a part fails, the registry is asked what it has and the
 * upload goes on there, also where another process began it; a session that the registry lost or
 * spoilt starts anew. Where the registry takes no parts it gets all at once. The registry verifies the digest when the upload ends (distribution-spec 1.1,
 * "Pushing blobs"). Throws HUB_*.
 * @param isStored whether the registry has the blob: true after a session seems lost where only the answer to its
 *   end was.
 */
export async function upload(
  client: RegistryClient,
  start: URL,
  blob: Descriptor,
  path: string,
  isStored: () => Promise<boolean>,
  onProgress: (done: number) => void,
): Promise<void> {
  const file = await openPlain(path);
  try {
    const transfer = new Upload(client, start, blob, file);
    const backoff = client.backoff();
    const noted = await client.uploads?.find(start, blob.digest);
    let session: Session | undefined =
      noted === undefined ? undefined : { location: noted, offset: 0, chunk: client.chunkSize };
    let interrupted = session !== undefined;
    let resume = interrupted;
    let furthest = 0;
    let chunk = client.chunkSize;
    let whole = false;
    for (let sessions = 0; ; ) {
      try {
        if (session === undefined) {
          if (sessions > 0 && (await isStored())) break;
          sessions += 1;
          session = await transfer.begin(chunk);
          interrupted = false;
        } else if (resume) session = await transfer.recover(session);
        resume = false;
        if (whole) {
          await transfer.finish(session);
          break;
        }
        const next = await transfer.step(session);
        if (next === undefined) break;
        if (next.offset > furthest) backoff.progress();
        furthest = Math.max(furthest, next.offset);
        session = next;
        chunk = next.chunk;
        await client.uploads?.note(start, blob.digest, session.location);
        onProgress(session.offset);
      } catch (error) {
        const refused = error instanceof PartsRefused;
        whole ||= refused;
        const lost = error instanceof SessionLost || (interrupted && isSpoilt(error));
        if (refused || (lost && sessions < MAX_SESSIONS)) session = undefined;
        else if (error instanceof SessionLost) {
          throw new AssayError('HUB_SERVICE', `${start.host} forgot ${sessions} uploads`);
        } else {
          await backoff.pause(error);
          interrupted = !whole;
          resume = !whole;
          if (whole) session = undefined;
        }
      }
    }
    await client.uploads?.forget(start, blob.digest);
    onProgress(blob.size);
  } finally {
    await file.close();
  }
}
