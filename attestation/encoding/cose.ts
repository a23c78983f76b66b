import { concat } from './bytes.js';
import {
  type CborKey,
  type CborValue,
  decodeCbor,
  encodeCbor,
  isCborMap,
  isTagged,
  TAG_SIGN1,
  taggedSign1,
} from './cbor.js';
import { writeCbor } from './cbor-writer.js';
import { AssayError } from './error.js';
import { CborFields } from './fields.js';
import { sha256 } from './hash.js';
import { cryptoUnavailable, type ImportedKey, isMalformedKey, keySigned } from './webcrypto.js';

/** COSE header parameters and algorithms that Assay uses (IANA COSE registry). */
export const COSE_HEADER = { alg: 1, kid: 4, typ: 16, vds: 395, vdp: 396 } as const;
/** ECDSA with SHA-256 on P-256, RFC 9053 section 2.1. */
export const ES256 = -7;

/** Bytes of a COSE_Sign1: a tree head with a proof has less than 4 KiB. */
const MAX_BYTES = 16 * 1024;

/** An EC2 public key on P-256 as COSE_Key, RFC 9053 section 7.1.1: the two coordinates, 32 bytes each. */
export interface CoseKey {
  readonly x: Uint8Array;
  readonly y: Uint8Array;
}

/** The COSE_Key as a CBOR map with kty, alg, crv, x, y. */
export function coseKeyToCbor(key: CoseKey): CborValue {
  return new Map<CborKey, CborValue>([
    [1, 2],
    [3, ES256],
    [-1, 1],
    [-2, key.x],
    [-3, key.y],
  ]);
}

/** Reads what `coseKeyToCbor` writes and nothing else; throws COSE_KEY. */
export function coseKeyFromCbor(value: CborValue): CoseKey {
  const fields = new CborFields(value, 'COSE_Key', 'COSE_KEY');
  const parameters = [fields.take(1), fields.take(3), fields.take(-1)];
  const key = { x: fields.bytes(-2, 32), y: fields.bytes(-3, 32) };
  fields.end();
  if (parameters[0] !== 2 || parameters[1] !== ES256 || parameters[2] !== 1) {
    throw new AssayError('COSE_KEY', 'expected an EC2 key on P-256 for ES256');
  }
  return key;
}

/** COSE Key Thumbprint with SHA-256 over the required members, RFC 9679 section 4. */
export function coseKeyThumbprint(key: CoseKey): Uint8Array<ArrayBuffer> {
  return sha256(
    encodeCbor(
      new Map<CborKey, CborValue>([
        [1, 2],
        [-1, 1],
        [-2, key.x],
        [-3, key.y],
      ]),
    ),
  );
}

const imported = new WeakMap<CoseKey, Promise<ImportedKey>>();

async function importKey(key: CoseKey): Promise<ImportedKey> {
  const point = concat(Uint8Array.of(4), key.x, key.y);
  try {
    return await crypto.subtle.importKey(
      'raw',
      point,
      { name: 'ECDSA', namedCurve: 'P-256' },
      true,
      ['verify'],
    );
  } catch (cause) {
    if (!isMalformedKey(cause)) throw cryptoUnavailable(cause);
    throw new AssayError('COSE_KEY', 'expected a point on P-256', cause);
  }
}

/**
 * Imports for verification; throws COSE_KEY if the point is not on the curve, CRYPTO_UNAVAILABLE where
 * the platform cannot import such keys. A key object is imported once, since one key verifies many
 * receipts: its bytes must not be changed.
 */
export function importCoseKey(key: CoseKey): Promise<ImportedKey> {
  const known = imported.get(key) ?? importKey(key);
  imported.set(key, known);
  known.catch(() => imported.delete(key));
  return known;
}

/** A parsed COSE_Sign1, RFC 9052 section 4.2. `payload` is null where it is detached. */
export interface Sign1 {
  readonly protectedBytes: Uint8Array;
  readonly protectedHeader: ReadonlyMap<CborKey, CborValue>;
  readonly unprotectedHeader: ReadonlyMap<CborKey, CborValue>;
  readonly payload: Uint8Array | null;
  readonly signature: Uint8Array;
}

const NOTHING = new Uint8Array();

/** The bytes that a COSE_Sign1 signature covers: Sig_structure, RFC 9052 section 4.4. */
export function sign1Input(
  protectedBytes: Uint8Array,
  payload: Uint8Array,
): Uint8Array<ArrayBuffer> {
  return writeCbor((to) => {
    to.head(4, 4);
    to.text('Signature1');
    to.bytes(protectedBytes);
    to.bytes(NOTHING);
    to.bytes(payload);
  });
}

/** A COSE_Sign1 in its tag. */
export function encodeSign1(sign1: Omit<Sign1, 'protectedHeader'>): Uint8Array<ArrayBuffer> {
  return encodeCbor(
    taggedSign1([sign1.protectedBytes, sign1.unprotectedHeader, sign1.payload, sign1.signature]),
  );
}

/** Parses a tagged COSE_Sign1 with a protected header; throws COSE_SIGN1. */
export function decodeSign1(bytes: Uint8Array): Sign1 {
  const fail = (message: string, cause?: unknown): never => {
    throw new AssayError('COSE_SIGN1', message, cause);
  };
  let item: CborValue;
  let header: CborValue;
  try {
    item = decodeCbor(bytes, MAX_BYTES);
    const body = isTagged(item) && item.tag === TAG_SIGN1 ? item.value : null;
    if (!Array.isArray(body) || body.length !== 4) {
      return fail('expected a tagged COSE_Sign1 of four elements');
    }
    const [protectedBytes, unprotectedHeader, payload, signature] = body as readonly CborValue[];
    if (!(protectedBytes instanceof Uint8Array) || !isCborMap(unprotectedHeader)) {
      return fail('expected protected bytes and an unprotected map');
    }
    if (!(payload === null || payload instanceof Uint8Array)) {
      return fail('expected a payload of bytes, or null');
    }
    if (!(signature instanceof Uint8Array) || signature.length !== 64) {
      return fail('expected an ES256 signature of 64 bytes');
    }
    header = decodeCbor(protectedBytes);
    if (!isCborMap(header)) return fail('expected the protected header to be a map');
    return { protectedBytes, protectedHeader: header, unprotectedHeader, payload, signature };
  } catch (cause) {
    if (cause instanceof AssayError && cause.code === 'COSE_SIGN1') throw cause;
    return fail(cause instanceof Error ? cause.message : 'not CBOR', cause);
  }
}

/**
 * Verifies a signature with the key that the caller trusts, by ES256. Whoever reads the message refuses a header
 * that names another algorithm, or none. Throws COSE_SIGNATURE, or CRYPTO_UNAVAILABLE where the platform cannot
 * tell.
 * @param payload what is signed, attached to the message or not.
 */
export async function verifySign1(
  { protectedBytes, signature }: Pick<Sign1, 'protectedBytes' | 'signature'>,
  key: ImportedKey,
  payload: Uint8Array,
): Promise<void> {
  const valid = await keySigned(
    { name: 'ECDSA', hash: 'SHA-256' },
    key,
    new Uint8Array(signature),
    sign1Input(protectedBytes, payload),
  );
  if (!valid) {
    throw new AssayError('COSE_SIGNATURE', 'the signature is not by the expected key');
  }
}
