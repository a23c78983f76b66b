import { generateKeyPairSync, type KeyObject, randomBytes, sign } from 'node:crypto';
import { fromBase64Url } from '../attestation/encoding/bytes.js';
import { type CoseKey, coseKeyThumbprint } from '../attestation/encoding/cose.js';
import { AssayError } from '../attestation/encoding/error.js';
import { makeTlsIdentity, type TlsIdentity } from './tls.js';

/** The key that signs tree heads, and nothing else. The private half stays in this closure. */
export interface SigningKey {
  readonly publicKey: CoseKey;
  /** COSE Key Thumbprint, 32 bytes. */
  readonly id: Uint8Array;
  /**
   * ES256 over the bytes, r ‖ s. Signs on the event loop, for some 40 µs: about what handing the work
   * to another thread and taking it back costs the loop, at a third of the processor time and a fifth
   * of the latency (`node build/test/bench/signing.js`).
   */
  sign(bytes: Uint8Array): Promise<Uint8Array>;
}

/** The key to which callers encrypt, for whoever cannot end TLS in the enclave. */
export interface EncryptionKey {
  /** X25519 public key, 32 bytes. */
  readonly publicKey: Uint8Array;
  readonly privateKey: KeyObject;
}

/** All secrets of one epoch: made at boot, in memory only, one role each. */
export interface EnclaveKeys {
  /** 32 random bytes. */
  readonly epoch: Uint8Array;
  readonly signing: SigningKey;
  readonly tls: TlsIdentity;
  readonly encryption: EncryptionKey;
}

function coordinate(key: KeyObject, name: 'x' | 'y'): Uint8Array<ArrayBuffer> {
  const value = key.export({ format: 'jwk' })[name];
  if (value === undefined) {
    throw new AssayError('PLATFORM_KEY', `the new key has no coordinate ${name}`);
  }
  return fromBase64Url(value);
}

/** A new signing key on P-256. */
export async function makeSigningKey(): Promise<SigningKey> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const cose = { x: coordinate(publicKey, 'x'), y: coordinate(publicKey, 'y') };
  return {
    publicKey: cose,
    id: coseKeyThumbprint(cose),
    sign: async (bytes) =>
      new Uint8Array(sign('sha256', bytes, { key: privateKey, dsaEncoding: 'ieee-p1363' })),
  };
}

/**
 * Makes the keys of a new epoch.
 * @param hosts DNS names and IP addresses that the TLS certificate is for.
 */
export async function makeKeys(hosts: readonly string[], now: Date): Promise<EnclaveKeys> {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return {
    epoch: new Uint8Array(randomBytes(32)),
    signing: await makeSigningKey(),
    tls: await makeTlsIdentity(hosts, now),
    encryption: { publicKey: coordinate(publicKey, 'x'), privateKey },
  };
}
