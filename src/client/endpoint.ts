import { createHash, type X509Certificate } from 'node:crypto';
import { isIP } from 'node:net';
import { connect } from 'node:tls';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { type CallOptions, within } from './within.js';

/** Where a server listens. */
export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

/** Parses `host:port` or `[address]:port`; undefined where it is neither. */
export function parseEndpoint(text: string): Endpoint | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text);
  const host = match?.[1] ?? match?.[2];
  const port = Number(match?.[3]);
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** As `parseEndpoint` reads it. */
export function endpointText({ host, port }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;
}

/** Parses where a server is; throws USAGE_TARGET. */
export function parseTarget(target: string): Endpoint {
  const endpoint = parseEndpoint(target);
  if (endpoint === undefined || endpoint.port < 1) {
    throw new AssayError('USAGE_TARGET', `expected host:port, not ${JSON.stringify(target)}`);
  }
  return endpoint;
}

/** SHA-256 of a certificate's SubjectPublicKeyInfo: what the manifest states of the TLS key. */
export function spkiDigest(certificate: X509Certificate): Uint8Array {
  const spki = certificate.publicKey.export({ type: 'spki', format: 'der' });
  return new Uint8Array(createHash('sha256').update(spki).digest());
}

/** Why a handshake failed, with its cause, but for OpenSSL's: their lines hold addresses, and say no more. */
function noTls(cause: NodeJS.ErrnoException & { readonly reason?: string }): [string, unknown?] {
  if (cause.code === 'ERR_SSL_WRONG_VERSION_NUMBER') return ['the server does not speak TLS'];
  if (cause.reason !== undefined) return [`no TLS connection: ${cause.reason}`];
  return [`no TLS connection: ${cause.message}`, cause];
}

/**
 * The certificate that a server presents, with proof that it holds the key (the TLS handshake), and
 * nothing more: whoever answers may be anybody until evidence says otherwise. Nothing is sent.
 * Throws CLIENT_UNREACHABLE, also where connection and handshake take longer than the timeout, or the
 * signal's own reason.
 */
export async function presentedCertificate(
  endpoint: Endpoint,
  bounds: CallOptions,
): Promise<X509Certificate> {
  const { host, port } = endpoint;
  const unreachable = (message: string, cause?: unknown) =>
    new AssayError('CLIENT_UNREACHABLE', `${endpointText(endpoint)}: ${message}`, cause);
  const socket = connect({
    host,
    port,
    ...(isIP(host) === 0 ? { servername: host } : {}),
    ALPNProtocols: ['h2'],
    minVersion: 'TLSv1.3',
    rejectUnauthorized: false,
  });
  const handshake = new Promise<X509Certificate>((resolve, reject) => {
    socket.once('error', (cause: NodeJS.ErrnoException) => reject(unreachable(...noTls(cause))));
    socket.once('secureConnect', () => {
      const certificate = socket.getPeerX509Certificate();
      if (certificate === undefined) reject(unreachable('the server presented no certificate'));
      else resolve(certificate);
    });
  });
  try {
    return await within(handshake, bounds, () => {
      const missing = socket.connecting ? 'TCP connection' : 'TLS handshake';
      return unreachable(`no ${missing} within ${bounds.timeout} ms`);
    });
  } finally {
    socket.destroy();
  }
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
