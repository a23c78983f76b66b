import { ServerCredentials } from '@grpc/grpc-js';
import type { TlsIdentity } from '../../enclave/tls.js';

/**
 * TLS 1.3 and no older version, with Node's own cipher suites: the credentials that grpc-js makes take TLS 1.2
 * too, and in it whatever suites GRPC_SSL_CIPHER_SUITES names.
 */
export class TlsCredentials extends ServerCredentials {
  constructor(identity: Pick<TlsIdentity, 'certificatePem' | 'privateKeyPem'>) {
    const { certificatePem: cert, privateKeyPem: key } = identity;
    super({ requestCert: false }, { cert, key, minVersion: 'TLSv1.3' });
  }

  override _equals(other: ServerCredentials): boolean {
    return this === other;
  }
}
