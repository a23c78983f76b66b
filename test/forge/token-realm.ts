/** A realm that grants tokens as docker-registry verifies them (Token Authentication, JWT). */
import { createPrivateKey, randomUUID, sign, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { makeTlsIdentity } from '../../enclave/tls.js';

export interface TokenRealm {
  readonly url: string;
  /** PEM of the certificate that the registry must know. */
  readonly certificate: string;
  /** Scopes that were granted, in order; empty where nothing was. */
  readonly granted: readonly string[];
  stop(): Promise<void>;
}

const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

/** Grants `pull` to everybody, and what is asked for to one person. */
export async function startTokenRealm(username: string, password: string): Promise<TokenRealm> {
  const { certificatePem, privateKeyPem } = await makeTlsIdentity(['realm'], new Date());
  const key = createPrivateKey(privateKeyPem);
  const x5c = [new X509Certificate(certificatePem).raw.toString('base64')];
  const known = `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`;
  const granted: string[] = [];
  const tokenFor = (service: string, scope: string, may: boolean): string => {
    const [type = '', name = '', actions = ''] = scope.split(':');
    const allowed = actions.split(',').filter((action) => may || action === 'pull');
    granted.push(`${type}:${name}:${allowed.join(',')}`);
    const now = Math.floor(Date.now() / 1000);
    const text = [
      part({ typ: 'JWT', alg: 'ES256', x5c }),
      part({
        iss: 'realm',
        sub: username,
        aud: service,
        iat: now - 5,
        nbf: now - 5,
        exp: now + 300,
        jti: randomUUID(),
        access: [{ type, name, actions: allowed }],
      }),
    ].join('.');
    const signature = sign('sha256', Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' });
    return `${text}.${signature.toString('base64url')}`;
  };
  const server = createServer(({ url, headers }, response) => {
    const { searchParams } = new URL(url ?? '/', 'http://realm');
    const scope = searchParams.get('scope') ?? '';
    const may = headers.authorization === known;
    const token = tokenFor(searchParams.get('service') ?? '', scope, may);
    response.end(JSON.stringify({ token }));
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    certificate: certificatePem,
    granted,
    stop: async () => {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
