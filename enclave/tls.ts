import 'reflect-metadata';
import { isIP } from 'node:net';
import {
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type JsonGeneralNames,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { sha256 } from '../attestation/encoding/hash.js';

/** The enclave's TLS key and its self-signed certificate, as grpc-js takes them. */
export interface TlsIdentity {
  readonly certificatePem: string;
  readonly privateKeyPem: string;
  /** SHA-256 of the SubjectPublicKeyInfo, DER: what the manifest states and clients pin. */
  readonly publicKeyDigest: Uint8Array;
}

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;
const DAY = 24 * 3600 * 1000;
/** An epoch ends with the process; the certificate must only outlast it. */
const VALID_DAYS = 825;

function pem(label: string, der: ArrayBuffer): string {
  const body = Buffer.from(der)
    .toString('base64')
    .replace(/.{64}(?=.)/g, '$&\n');
  return `-----BEGIN ${label}-----\n${body}\n-----END ${label}-----\n`;
}

/**
 * A new P-256 key with a self-signed end-entity certificate: nobody vouches for it but the manifest
 * that states its digest. The private key's PEM exists because grpc-js takes nothing else; it never
 * leaves the process.
 */
export async function makeTlsIdentity(hosts: readonly string[], now: Date): Promise<TlsIdentity> {
  const keys = await crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify']);
  const names: JsonGeneralNames = hosts.map((value) => ({
    type: isIP(value) === 0 ? 'dns' : 'ip',
    value,
  }));
  const certificate = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=Assay enclave',
    notBefore: new Date(now.getTime() - DAY),
    notAfter: new Date(now.getTime() + VALID_DAYS * DAY),
    keys,
    signingAlgorithm: ALGORITHM,
    extensions: [
      new BasicConstraintsExtension(false, undefined, true),
      new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
      new ExtendedKeyUsageExtension([ExtendedKeyUsage.serverAuth]),
      new SubjectAlternativeNameExtension(names),
    ],
  });
  const [pkcs8, spki] = await Promise.all([
    crypto.subtle.exportKey('pkcs8', keys.privateKey),
    crypto.subtle.exportKey('spki', keys.publicKey),
  ]);
  return {
    certificatePem: pem('CERTIFICATE', certificate.rawData),
    privateKeyPem: pem('PRIVATE KEY', pkcs8),
    publicKeyDigest: sha256(new Uint8Array(spki)),
  };
}
