import { randomUUID } from 'node:crypto';
import { type FileHandle, link, open, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { AssayError } from '../../../attestation/encoding/error.js';
import { errnoOf, isMissing } from '../../../src/system/errno.js';
import { makeFolders } from '../../../src/system/make-folders.js';
import { readRegular } from '../../../src/system/open-regular.js';

/** Bytes of a key, a certificate or a revocation list. */
const MAX_FILE = 64 * 1024;

/** Kinds of key in AMD's and Intel's chains. */
export type KeyKind = 'rsa-4096' | 'p-256' | 'p-384';

/** WebCrypto parameters of a kind. An RSA key is made for one hash: AMD's authorities sign with SHA-384. */
function parameters(kind: KeyKind): RsaHashedKeyGenParams | (EcKeyGenParams & { hash?: never }) {
  return kind === 'rsa-4096'
    ? {
        name: 'RSA-PSS',
        modulusLength: 4096,
        publicExponent: Uint8Array.of(1, 0, 1),
        hash: 'SHA-384',
      }
    : { name: 'ECDSA', namedCurve: kind === 'p-256' ? 'P-256' : 'P-384' };
}

async function create(directory: string, path: string): Promise<FileHandle> {
  try {
    await makeFolders(directory, 0o700);
    return await open(path, 'wx', 0o600);
  } catch (cause) {
    throw new AssayError(
      'CONFIG_PLATFORM',
      `the simulator cannot keep its keys in ${directory}: name another folder in platform.rootDirectory`,
      cause,
    );
  }
}

/**
 * Bytes that are made once for each directory: whatever `make` returned first, for every process
 * that shares the directory. Files are written 0600, whole or not at all. Rejects with CONFIG_PLATFORM
 * where they cannot be read or written.
 */
export async function cachedBytes(
  directory: string,
  name: string,
  make: () => Promise<Uint8Array>,
): Promise<Uint8Array<ArrayBuffer>> {
  const path = join(directory, name);
  try {
    return await readRegular(path, MAX_FILE);
  } catch (cause) {
    if (!isMissing(cause)) {
      throw new AssayError('CONFIG_PLATFORM', `the simulator cannot read its ${path}`, cause);
    }
  }
  const bytes = await make();
  const draft = `${path}.${randomUUID()}`;
  const file = await create(directory, draft);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(draft, path);
  } catch (error) {
    if (errnoOf(error) !== 'EEXIST') throw error;
  } finally {
    await rm(draft);
  }
  return readRegular(path, MAX_FILE);
}

/** Imports a PKCS #8 private key together with its public key. */
async function importPair(pkcs8: Uint8Array<ArrayBuffer>, kind: KeyKind): Promise<CryptoKeyPair> {
  const algorithm = parameters(kind);
  const privateKey = await crypto.subtle.importKey('pkcs8', pkcs8, algorithm, true, ['sign']);
  const { kty, n, e, crv, x, y } = await crypto.subtle.exportKey('jwk', privateKey);
  const jwk = kind === 'rsa-4096' ? { kty, n, e } : { kty, crv, x, y };
  const members = Object.fromEntries(
    Object.entries(jwk).filter(([, value]) => value !== undefined),
  );
  const publicKey = await crypto.subtle.importKey('jwk', members, algorithm, true, ['verify']);
  return { privateKey, publicKey };
}

/**
 * A key pair that is made once for each directory and name: RSA-4096 keys take seconds to make. The
 * keys sign simulated evidence only; nobody who does not name the simulator's root believes them.
 */
export async function cachedKeyPair(
  directory: string,
  name: string,
  kind: KeyKind,
): Promise<CryptoKeyPair> {
  const pkcs8 = await cachedBytes(directory, `${name}.${kind}.pkcs8`, async () => {
    const pair = await crypto.subtle.generateKey(parameters(kind), true, ['sign', 'verify']);
    return new Uint8Array(await crypto.subtle.exportKey('pkcs8', pair.privateKey));
  });
  return importPair(pkcs8, kind);
}
