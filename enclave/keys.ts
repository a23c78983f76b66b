import { generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto';
import { coordinate, makeSigningKey, type SigningKey } from './signing-key.js';
import { makeTlsIdentity, type TlsIdentity } from './tls.js';

/** For callers whose TLS ends before the enclave. It is attested; no method takes anything encrypted to it yet. */
interface EncryptionKey {
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

/**
 * Makes the keys of a new epoch.
 * @param hosts DNS names and IP addresses that the TLS certificate is for.
 * @param signing of the same epoch, where threads share it already.
 */
export async function makeKeys(
  hosts: readonly string[],
  now: Date,
  signing: SigningKey = makeSigningKey(),
): Promise<EnclaveKeys> {
  const { privateKey, publicKey } = generateKeyPairSync('x25519');
  return {
    epoch: new Uint8Array(randomBytes(32)),
    signing,
    tls: await makeTlsIdentity(hosts, now),
    encryption: { publicKey: coordinate(publicKey, 'x'), privateKey },
  };
}
