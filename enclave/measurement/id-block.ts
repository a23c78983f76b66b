import { createHash, type KeyObject, sign } from 'node:crypto';
import { concat } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { isGuestPolicy } from '../../attestation/evidence/snp-fields.js';

/** Sizes of the two structures (AMD 56860, SNP_LAUNCH_FINISH). */
export const ID_BLOCK_BYTES = 96;
export const ID_AUTH_BYTES = 4096;
const AUTHOR_KEY_ALGORITHM_AT = 4;
const ID_KEY_AT = 0x240;
const AUTHOR_KEY_AT = 0x880;
/** Fields are 72 bytes, little-endian, the upper 24 zero (AMD 56860, "ECDSA P-384"). */
const FIELD_BYTES = 72;
const COORDINATE_BYTES = 48;
const SIGNATURE_BYTES = 512;
const PUBLIC_KEY_BYTES = 0x404;
const CURVE_P384 = 2;
const ALGORITHM_P384_SHA384 = 1;

/** What an owner vouches for; the firmware starts the guest only if MEASUREMENT and policy match. */
export interface IdBlock {
  readonly launchDigest: Uint8Array;
  /** FAMILY_ID and IMAGE_ID, 16 bytes each, as the report will show them. */
  readonly familyId: Uint8Array;
  readonly imageId: Uint8Array;
  /** 32 bits. */
  readonly guestSvn: number;
  /** Guest policy, which must equal the one at launch. */
  readonly policy: bigint;
}

/** What an ID block names, as the firmware compares it with the launch. */
interface IdBlockFields {
  readonly launchDigest: Uint8Array;
  readonly version: number;
  readonly policy: bigint;
}

/** The two structures that QEMU takes (`id-block`, `id-auth`), and the digests a verifier pins. */
export interface SignedIdBlock {
  readonly idBlock: Uint8Array;
  readonly idAuth: Uint8Array;
  readonly idKeyDigest: Uint8Array;
  readonly authorKeyDigest: Uint8Array | undefined;
}

const LAUNCH_DIGEST_BYTES = 48;
const VERSION_AT = 80;
const POLICY_AT = 88;
/** The only version that the firmware takes. */
export const ID_BLOCK_VERSION = 1;

/** @param idBlock ID_BLOCK_BYTES. */
export function idBlockFields(idBlock: Uint8Array): IdBlockFields {
  const view = new DataView(idBlock.buffer, idBlock.byteOffset, idBlock.byteLength);
  return {
    launchDigest: idBlock.subarray(0, LAUNCH_DIGEST_BYTES),
    version: view.getUint32(VERSION_AT, true),
    policy: view.getBigUint64(POLICY_AT, true),
  };
}

/** ID_BLOCK, 96 bytes (AMD 56860, SNP_LAUNCH_FINISH). */
function encodeIdBlock(block: IdBlock): Uint8Array<ArrayBuffer> {
  const { guestSvn, policy } = block;
  if (!Number.isInteger(guestSvn) || guestSvn < 0 || guestSvn > 0xffff_ffff) {
    throw new AssayError('MEASUREMENT_INPUT', `expected a guest SVN of 32 bits, not ${guestSvn}`);
  }
  if (!isGuestPolicy(policy)) {
    throw new AssayError(
      'MEASUREMENT_INPUT',
      `expected guest policy bit 17 to be one and bits 63:26 to be zero, not 0x${policy.toString(16)}`,
    );
  }
  const bytes = new Uint8Array(ID_BLOCK_BYTES);
  const view = new DataView(bytes.buffer);
  bytes.set(exactly(block.launchDigest, LAUNCH_DIGEST_BYTES, 'the launch digest'), 0);
  bytes.set(exactly(block.familyId, 16, 'FAMILY_ID'), 48);
  bytes.set(exactly(block.imageId, 16, 'IMAGE_ID'), 64);
  view.setUint32(VERSION_AT, ID_BLOCK_VERSION, true);
  view.setUint32(84, guestSvn, true);
  view.setBigUint64(POLICY_AT, policy, true);
  return bytes;
}

/**
 * Signs an ID block with the ID key, and the ID key with the author key where one is given. Keys are
 * ECDSA P-384 private keys; MEASUREMENT_ID_KEY for any other, MEASUREMENT_INPUT for a field that does not fit.
 */
export function signIdBlock(
  block: IdBlock,
  idKey: KeyObject,
  authorKey?: KeyObject,
): SignedIdBlock {
  const idBlock = encodeIdBlock(block);
  const idPublic = encodePublicKey(idKey);
  const authorPublic = authorKey && encodePublicKey(authorKey);
  const idAuth = new Uint8Array(ID_AUTH_BYTES);
  const view = new DataView(idAuth.buffer);
  view.setUint32(0, ALGORITHM_P384_SHA384, true);
  if (authorKey !== undefined) view.setUint32(AUTHOR_KEY_ALGORITHM_AT, ALGORITHM_P384_SHA384, true);
  idAuth.set(signature(idKey, idBlock), 0x40);
  idAuth.set(idPublic, ID_KEY_AT);
  if (authorKey !== undefined && authorPublic !== undefined) {
    idAuth.set(signature(authorKey, idPublic), 0x680);
    idAuth.set(authorPublic, AUTHOR_KEY_AT);
  }
  return readIdBlock(idBlock, idAuth);
}

/** The two structures of a launch command, with the digests that the report will show of their keys. */
export function readIdBlock(idBlock: Uint8Array, idAuth: Uint8Array): SignedIdBlock {
  return {
    idBlock,
    idAuth,
    idKeyDigest: keyDigest(idAuth, ID_KEY_AT),
    authorKeyDigest: hasAuthorKey(idAuth) ? keyDigest(idAuth, AUTHOR_KEY_AT) : undefined,
  };
}

/**
 * Whether an ID authentication structure carries an author key. The launch command has to say the same
 * (AUTHOR_KEY_EN): the firmware refuses a key of algorithm 0.
 */
export function hasAuthorKey(idAuth: Uint8Array): boolean {
  const view = new DataView(idAuth.buffer, idAuth.byteOffset, idAuth.byteLength);
  return view.getUint32(AUTHOR_KEY_ALGORITHM_AT, true) !== 0;
}

/** The 0x404-byte public key whose SHA-384 is ID_KEY_DIGEST or AUTHOR_KEY_DIGEST. */
function encodePublicKey(key: KeyObject): Uint8Array<ArrayBuffer> {
  const jwk = key.type === 'private' ? key.export({ format: 'jwk' }) : undefined;
  if (jwk?.kty !== 'EC' || jwk.crv !== 'P-384' || jwk.x === undefined || jwk.y === undefined) {
    throw new AssayError('MEASUREMENT_ID_KEY', 'expected an ECDSA P-384 private key');
  }
  const bytes = new Uint8Array(PUBLIC_KEY_BYTES);
  new DataView(bytes.buffer).setUint32(0, CURVE_P384, true);
  bytes.set(littleEndian(Buffer.from(jwk.x, 'base64url')), 4);
  bytes.set(littleEndian(Buffer.from(jwk.y, 'base64url')), 4 + FIELD_BYTES);
  return bytes;
}

function signature(key: KeyObject, data: Uint8Array): Uint8Array {
  const raw = sign('sha384', data, { key, dsaEncoding: 'ieee-p1363' });
  const halves = [raw.subarray(0, COORDINATE_BYTES), raw.subarray(COORDINATE_BYTES)];
  const bytes = new Uint8Array(SIGNATURE_BYTES);
  bytes.set(concat(...halves.map(littleEndian)));
  return bytes;
}

function littleEndian(bigEndian: Uint8Array): Uint8Array {
  const bytes = new Uint8Array(FIELD_BYTES);
  bytes.set(Uint8Array.from(bigEndian).reverse());
  return bytes;
}

function keyDigest(idAuth: Uint8Array, at: number): Uint8Array {
  const key = idAuth.subarray(at, at + PUBLIC_KEY_BYTES);
  return new Uint8Array(createHash('sha384').update(key).digest());
}

function exactly(bytes: Uint8Array, length: number, what: string): Uint8Array {
  if (bytes.length === length) return bytes;
  throw new AssayError(
    'MEASUREMENT_INPUT',
    `expected ${what} to be ${length} bytes, not ${bytes.length}`,
  );
}
