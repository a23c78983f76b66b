import { generateKeyPairSync } from 'node:crypto';
import { sha256 } from '../attestation/encoding/hash.js';
import { toPem } from '../attestation/encoding/pem.js';
import { selfSignedCertificate } from './certificate.js';

/** The enclave's TLS key and its self-signed certificate, as grpc-js takes them. */
export interface TlsIdentity {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** SHA-256 of the SubjectPublicKeyInfo, DER: what the manifest states and clients pin. */
  readonly publicKeyDigest: Uint8Array;
}

const DAY = 24 * 3600 * 1000;
/** An epoch ends with the process; the certificate must only outlast it. */
const VALID_DAYS = 825;

/**
 * A new P-256 key with a self-signed end-entity certificate: nobody vouches for it but the manifest
 * that states its digest. The private key's PEM exists because grpc-js takes nothing else; it never
 * leaves the process.
 */
export async function makeTlsIdentity(hosts: readonly string[], now: Date): Promise<TlsIdentity> {
  const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const certificate = selfSignedCertificate({
    commonName: 'Assay enclave',
    hosts,
    notBefore: new Date(now.getTime() - DAY),
    notAfter: new Date(now.getTime() + VALID_DAYS * DAY),
    privateKey,
    publicKey,
  });
  const spki = publicKey.export({ type: 'spki', format: 'der' });
  return {
    certificatePem: toPem(certificate, 'CERTIFICATE'),
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKeyDigest: sha256(new Uint8Array(spki)),
  };
}
