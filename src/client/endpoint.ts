import { createHash, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';

/** Where a server listens. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Parses `host:port` or `[address]:port`; throws USAGE_TARGET. */
export function parseTarget(target: string): Endpoint {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(target);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  if (host === undefined || port < 1 || port > 65535) {
    throw new AssayError('USAGE_TARGET', `expected host:port, not ${JSON.stringify(target)}`);
  }
  return { host, port };
}

/** SHA-256 of a certificate's SubjectPublicKeyInfo: what the manifest states of the TLS key. */
export function spkiDigest(certificate: X509Certificate): Uint8Array {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return new Uint8Array(createHash('sha256').update(spki).digest());
}

/**
 * The certificate that a server presents, with proof that it holds the key (the TLS handshake), and
 * nothing more: whoever answers may be anybody until evidence says otherwise. Nothing is sent.
 * Throws CLIENT_UNREACHABLE.
 */
export function presentedCertificate(
  endpoint: Endpoint,
  timeout: number,
): Promise<X509Certificate> {
  const { host, port } = endpoint;
  const where = `${host}:${port}`;
  return new Promise((resolve, reject) => {
    const socket = connect({
      host,
      port,
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ALPNProtocols: ['h2'],
      minVersion: 'TLSv1.3',
      rejectUnauthorized: false,
      timeout,
    });
    const fail = (message: string, cause?: unknown): void => {
      socket.destroy();
      reject(new AssayError('CLIENT_UNREACHABLE', `${where}: ${message}`, cause));
    };
    socket.once('timeout', () => fail(`no TLS handshake within ${timeout} ms`));
    socket.once('error', (cause) => fail(`no TLS connection: ${cause.message}`, cause));
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      if (certificate === undefined) fail('the server presented no certificate');
      else {
        socket.destroy();
        resolve(certificate);
      }
    });
  });
}

/** Throws CLIENT_TLS_PIN unless the certificate holds the key with this digest. */
export function assertPinned(
  certificate: X509Certificate,
  digest: Uint8Array,
  where: string,
): void {
  const actual = toHex(spkiDigest(certificate));
  if (actual === toHex(digest)) return;
  throw new AssayError(
    'CLIENT_TLS_PIN',
    `${where} presents the TLS key ${actual}, the attested enclave holds ${toHex(digest)}: the connection does not end in that enclave; one that was started again has new keys and is attested anew by a new session`,
  );
}
