import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { createServer, globalAgent, type IncomingMessage, type Server } from 'node:http';
import { type AddressInfo, connect } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parseChallenges } from '../../../src/hub/challenge.js';
import type { Credentials } from '../../../src/hub/credentials.js';
import { readPackage } from '../../../src/hub/package-source.js';
import { type PullOptions, pullModel } from '../../../src/hub/pull.js';
import { pushModel } from '../../../src/hub/push.js';
import { parseReference } from '../../../src/hub/reference.js';
import type { Seen } from '../../forge/registry.js';
import { impatient, stockedRegistry, temporaryFolder } from './setting.js';

const PASSWORD: Credentials = { kind: 'password', username: 'ann', password: 'pä:ss' };
const BASIC = `Basic ${Buffer.from('ann:pä:ss').toString('base64')}`;

/** A realm that answers every request with `status` and `body`, and keeps what it was asked. */
async function forgedRealm(t: TestContext, status: number, body: string) {
  const seen: { url: URL; authorization: string | undefined; body: string }[] = [];
  const answer = async (request: IncomingMessage): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const part of request as AsyncIterable<Buffer>) parts.push(part);
    seen.push({
      url: new URL(request.url ?? '', 'http://realm'),
      authorization: request.headers.authorization,
      body: Buffer.concat(parts).toString(),
    });
  };
  const server: Server = createServer((request, response) => {
    void answer(request).then(() => response.writeHead(status).end(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  return { realm: `http://127.0.0.1:${(server.address() as AddressInfo).port}/token`, seen };
}

const challenge = (header: string) => (seen: Seen, wanted: string) =>
  seen.authorization === wanted
    ? undefined
    : ({ kind: 'answer', status: 401, headers: { 'www-authenticate': header } } as const);

test('a Bearer challenge is answered with a token for the scope', async (t) => {
  const { registry, place } = await stockedRegistry(t);
  const { realm, seen } = await forgedRealm(t, 200, '{"token":"t0k.en","expires_in":300}');
  const ask = challenge(
    `Bearer realm="${realm}",service="reg",scope="repository:models/tiny:pull"`,
  );
  registry.fault = (request) => ask(request, 'Bearer t0k.en');
  await pullModel(parseReference(`${place}:v1`), temporaryFolder(t), {
    retry: impatient(),
    credentials: async () => PASSWORD,
  });
  assert.equal(seen.length, 1);
  assert.equal(seen[0]?.authorization, BASIC);
  assert.equal(seen[0]?.url.searchParams.get('service'), 'reg');
  assert.deepEqual(seen[0]?.url.searchParams.getAll('scope'), ['repository:models/tiny:pull']);
});

test('a token is asked for without credentials where there are none', async (t) => {
  const { registry, place } = await stockedRegistry(t);
  const { realm, seen } = await forgedRealm(t, 200, '{"access_token":"anonymous"}');
  const ask = challenge(`Bearer realm="${realm}"`);
  registry.fault = (request) => ask(request, 'Bearer anonymous');
  await pullModel(parseReference(`${place}:v1`), temporaryFolder(t), { retry: impatient() });
  assert.equal(seen[0]?.authorization, undefined);
});

test('an identity token is exchanged as a refresh token', async (t) => {
  const { registry, place } = await stockedRegistry(t);
  const { realm, seen } = await forgedRealm(t, 200, '{"access_token":"fresh"}');
  const ask = challenge(`Bearer realm="${realm}",service="reg"`);
  registry.fault = (request) => ask(request, 'Bearer fresh');
  await pullModel(parseReference(`${place}:v1`), temporaryFolder(t), {
    retry: impatient(),
    credentials: async () => ({ kind: 'identity-token', token: 'long' }),
  });
  const form = new URLSearchParams(seen[0]?.body);
  assert.equal(form.get('grant_type'), 'refresh_token');
  assert.equal(form.get('refresh_token'), 'long');
});

test('a token that runs out in the middle is replaced', async (t) => {
  const { registry, place } = await stockedRegistry(t);
  const { realm, seen } = await forgedRealm(t, 200, '{"token":"t"}');
  const ask = challenge(`Bearer realm="${realm}"`);
  let expired = false;
  registry.fault = (request) => {
    if (expired || !/blobs/.test(request.path)) return ask(request, 'Bearer t');
    expired = true;
    return ask(request, 'another');
  };
  await pullModel(parseReference(`${place}:v1`), temporaryFolder(t), { retry: impatient() });
  assert.equal(seen.length, 2);
});

test('a Basic challenge is answered', async (t) => {
  const { registry, place } = await stockedRegistry(t);
  registry.fault = (request) => challenge('Basic realm="x"')(request, BASIC);
  await pullModel(parseReference(`${place}:v1`), temporaryFolder(t), {
    retry: impatient(),
    credentials: async () => PASSWORD,
  });
});

const refusals: readonly (readonly [string, string, Credentials | undefined])[] = [
  ['a password that is wrong', 'Basic realm="x"', { ...PASSWORD, password: 'wrong' }],
  ['no password', 'Basic realm="x"', undefined],
  ['an unknown scheme', 'Negotiate', PASSWORD],
  ['no challenge', '', PASSWORD],
  ['a realm that is no URL', 'Bearer realm="here"', PASSWORD],
];

for (const [name, header, credentials] of refusals) {
  test(`is refused with ${name}`, async (t) => {
    const { registry, place } = await stockedRegistry(t);
    registry.fault = (request) => challenge(header)(request, BASIC);
    const options = { retry: impatient(), credentials: async () => credentials };
    await assert.rejects(pullModel(parseReference(`${place}:v1`), temporaryFolder(t), options), {
      code: 'HUB_UNAUTHORIZED',
    });
  });
}

const realms: readonly (readonly [string, number, string, string])[] = [
  ['refuses', 401, '{}', 'HUB_UNAUTHORIZED'],
  ['answers without a token', 200, '{}', 'HUB_UNAUTHORIZED'],
  ['answers with a header in the token', 200, '{"token":"a\\r\\nx: y"}', 'HUB_UNAUTHORIZED'],
  ['answers with no JSON', 200, '<html>', 'HUB_PROTOCOL'],
  ['is out of order', 503, '', 'HUB_SERVICE'],
  ['answers without end', 200, ' '.repeat(300_000), 'HUB_SIZE'],
];

for (const [name, status, body, code] of realms) {
  test(`a realm that ${name} ends the pull`, async (t) => {
    const { registry, place } = await stockedRegistry(t);
    const { realm } = await forgedRealm(t, status, body);
    registry.fault = (request) => challenge(`Bearer realm="${realm}"`)(request, 'Bearer t');
    const options = { retry: impatient() };
    await assert.rejects(pullModel(parseReference(`${place}:v1`), temporaryFolder(t), options), {
      code,
    });
  });
}

test('a redirect to another host never carries the credentials', async (t) => {
  const { registry, place, options } = await stockedRegistry(t);
  const storage = await stockedRegistry(t);
  registry.fault = (request) => {
    if (/blobs/.test(request.path)) {
      const location = `http://${storage.registry.host}${request.path}`;
      return { kind: 'answer', status: 307, headers: { location } };
    }
    return challenge('Basic realm="x"')(request, BASIC);
  };
  const folder = temporaryFolder(t);
  const credentials = async () => PASSWORD;
  await pullModel(parseReference(`${place}:v1`), folder, { ...options, credentials });
  const arrived = storage.registry.requests('GET', /blobs/);
  assert.ok(arrived.length > 0);
  for (const { authorization } of arrived) assert.equal(authorization, undefined);
  assert.ok(
    registry.requests('GET', /blobs/).every(({ authorization }) => authorization === BASIC),
  );
});

test('an upload that goes on at another host goes without the credentials', async (t) => {
  const { registry, source, place } = await stockedRegistry(t);
  const storage = await stockedRegistry(t);
  writeFileSync(join(source, 'card.md'), 'another card');
  const begun = await fetch(`http://${storage.registry.host}/v2/x/blobs/uploads/`, {
    method: 'POST',
  });
  const location = new URL(begun.headers.get('location') ?? '', begun.url).href;
  registry.fault = (request) => {
    if (request.method !== 'POST') return challenge('Basic realm="x"')(request, BASIC);
    return { kind: 'answer', status: 202, headers: { location } };
  };
  const options = { retry: impatient(), credentials: async () => PASSWORD };
  await pushModel(await readPackage(source, 'tiny'), parseReference(`${place}:v2`), options);
  const [arrived] = storage.registry.requests('PUT', /uploads/);
  assert.ok(arrived !== undefined);
  assert.equal(arrived.authorization, undefined);
});

/** 0.0.0.0 is this machine under a name that does not say so. */
const anywhere = (text: string): string => text.replace('127.0.0.1', '0.0.0.0');
const here = (text: string): string => text;
const exposed: readonly (readonly [string, typeof here, (realm: string) => string])[] = [
  ['a password to a registry', anywhere, () => 'Basic realm="x"'],
  ['a token to a registry', anywhere, (realm) => `Bearer realm="${realm}"`],
  ['a password to a realm', here, (realm) => `Bearer realm="${anywhere(realm)}"`],
];
for (const [name, at, ask] of exposed) {
  test(`without TLS nobody sends ${name} on another machine`, async (t) => {
    const { registry, place } = await stockedRegistry(t);
    const { realm, seen } = await forgedRealm(t, 200, '{"token":"t"}');
    registry.fault = (request) => challenge(ask(realm))(request, 'Bearer t');
    const options = { retry: impatient(), plainHttp: true };
    const pull = (more: PullOptions) =>
      pullModel(parseReference(`${at(place)}:v1`), temporaryFolder(t), { ...options, ...more });
    await assert.rejects(pull({ credentials: async () => PASSWORD }), { code: 'HUB_TRANSPORT' });
    assert.deepEqual(seen, []);
    assert.ok(registry.seen.every(({ authorization }) => authorization === undefined));
    if (ask(realm).startsWith('Bearer')) await pull({});
  });
}

for (const key of ['localhost:80', 'localhost']) {
  test(`credentials for ${key} are found where the reference names the port`, async (t) => {
    const { registry, options } = await stockedRegistry(t);
    const port = Number(registry.host.split(':')[1]);
    t.mock.method(globalAgent, 'createConnection', () => connect(port, '127.0.0.1'));
    registry.fault = (request) => challenge('Basic realm="x"')(request, BASIC);
    const credentials = async (host: string) => (host === key ? PASSWORD : undefined);
    const reference = parseReference('oci://localhost:80/models/tiny:v1');
    await pullModel(reference, temporaryFolder(t), { ...options, credentials });
  });
}

test('plain HTTP is for this machine alone', async (t) => {
  const reference = parseReference('oci://registry.invalid/m:v1');
  await assert.rejects(pullModel(reference, temporaryFolder(t), { retry: impatient([], 1) }), {
    code: 'HUB_UNREACHABLE',
  });
  const { registry, place, options } = await stockedRegistry(t);
  const secured = { ...options, plainHttp: false };
  await assert.rejects(pullModel(parseReference(`${place}:v1`), temporaryFolder(t), secured), {
    code: 'HUB_UNREACHABLE',
  });
  assert.equal(registry.seen.length, 0);
});

test('challenges are parsed as RFC 9110 writes them', () => {
  const parsed = parseChallenges(
    'Basic realm="a \\"b\\", c", charset=UTF-8, Negotiate, Bearer Realm="https://r/t" , service=x',
  );
  assert.deepEqual(
    parsed.map(({ scheme, parameters }) => [scheme, Object.fromEntries(parameters)]),
    [
      ['basic', { realm: 'a "b", c', charset: 'UTF-8' }],
      ['negotiate', {}],
      ['bearer', { realm: 'https://r/t', service: 'x' }],
    ],
  );
  assert.deepEqual(parseChallenges('="'), []);
  assert.equal(parseChallenges('a '.repeat(100_000)).length, 4096);
});
