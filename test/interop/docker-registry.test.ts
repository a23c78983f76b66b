import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hexOf } from '../../src/hub/digest.js';
import { listModels, listRepositories } from '../../src/hub/list.js';
import { readPackage } from '../../src/hub/package-source.js';
import { pullModel } from '../../src/hub/pull.js';
import { pushModel } from '../../src/hub/push.js';
import { parseReference } from '../../src/hub/reference.js';
import { resolveModel } from '../../src/hub/resolve.js';
import { UploadNotes } from '../../src/hub/upload-notes.js';
import {
  type RunningRegistry,
  startDockerRegistry,
  startFailingProxy,
  withoutRegistry,
} from '../forge/docker-registry.js';
import { packageFiles, writeFiles } from '../forge/model-package.js';
import { startTokenRealm } from '../forge/token-realm.js';
import { impatient, temporaryFolder } from '../src/hub/setting.js';

const ELEMENTS = 1024 * 1024;
const CHUNK = 1024 * 1024;
const real = { skip: withoutRegistry };
const options = { retry: impatient(), chunkSize: CHUNK };

async function registryFor(
  t: TestContext,
  environment: Readonly<Record<string, string>> = {},
): Promise<RunningRegistry> {
  const registry = await startDockerRegistry(temporaryFolder(t), environment);
  t.after(() => registry.stop());
  return registry;
}

async function packageFor(t: TestContext, elements = ELEMENTS, seed = 1) {
  const folder = temporaryFolder(t);
  writeFiles(folder, packageFiles(elements, seed));
  return readPackage(folder, 'tiny');
}

function assertPackage(folder: string, elements = ELEMENTS, seed = 1): void {
  for (const [path, content] of Object.entries(packageFiles(elements, seed))) {
    assert.ok(readFileSync(join(folder, path)).equals(Buffer.from(content)), path);
  }
}

test('docker-registry: a round trip, lists, and a model by digest', real, async (t) => {
  const { host } = await registryFor(t);
  const place = `oci://${host}/models/tiny`;
  const pushed = await pushModel(await packageFor(t), parseReference(`${place}:v1`), options);
  const folder = temporaryFolder(t);
  const pulled = await pullModel(parseReference(`${place}:v1`), folder, options);
  assert.equal(pulled.digest, pushed.digest);
  assertPackage(folder);
  assert.deepEqual(await listRepositories(parseReference(`oci://${host}`), options), [place]);
  const [listed] = await listModels(parseReference(place), options, () => {});
  assert.equal(listed?.model?.digest, pushed.digest);
  const cache = temporaryFolder(t);
  const resolved = await resolveModel(`${place}@${pushed.digest}`, { ...options, cache });
  const weights = readFileSync(join(resolved.directory, 'weights.bin'));
  assert.ok(weights.equals(Buffer.from(packageFiles(ELEMENTS)['weights.bin'] ?? '')));
  assert.deepEqual(
    resolved.files.filter(({ role }) => role === 'original'),
    [],
  );
  const again = await pushModel(await packageFor(t), parseReference(`${place}:v2`), options);
  assert.equal(again.uploaded.length, 0);
});

for (const [name, cut] of [
  ['in the middle of a part', (chunk: number) => chunk / 2],
  ['after the last byte of a part', (chunk: number) => chunk],
] as const) {
  test(`docker-registry: an upload that is cut ${name}`, real, async (t) => {
    const { port, host } = await registryFor(t);
    let patches = 0;
    const proxy = await startFailingProxy(port, (method) => {
      if (method !== 'PATCH') return undefined;
      patches += 1;
      return patches === 2 ? { kind: 'cut-request', after: cut(CHUNK) } : undefined;
    });
    t.after(() => proxy.stop());
    const through = parseReference(`oci://${proxy.host}/models/tiny:v1`);
    await pushModel(await packageFor(t), through, options);
    assert.ok(patches > 4, String(patches));
    const folder = temporaryFolder(t);
    await pullModel(parseReference(`oci://${host}/models/tiny:v1`), folder, options);
    assertPackage(folder);
  });
}

test('docker-registry: another process goes on with an upload', real, async (t) => {
  const { port } = await registryFor(t);
  let broken = true;
  const proxy = await startFailingProxy(port, (method) => {
    const patches = proxy.seen.filter((one) => one.startsWith('PATCH')).length;
    return broken && method === 'PATCH' && patches >= 3
      ? { kind: 'answer', status: 503 }
      : undefined;
  });
  t.after(() => proxy.stop());
  const reference = parseReference(`oci://${proxy.host}/models/tiny:v1`);
  const notes = temporaryFolder(t);
  const uploads = new UploadNotes(() => notes);
  const source = await packageFor(t);
  const noted = { ...options, uploads };
  await assert.rejects(pushModel(source, reference, noted), { code: 'HUB_SERVICE' });
  broken = false;
  const before = proxy.seen.length;
  await pushModel(source, reference, noted);
  const patches = proxy.seen.slice(before).filter((one) => one.startsWith('PATCH'));
  assert.equal(patches.length, 1);
  const folder = temporaryFolder(t);
  await pullModel(reference, folder, options);
  assertPackage(folder);
});

test('docker-registry: tokens of a realm, for reading and for writing', real, async (t) => {
  const realm = await startTokenRealm('ann', 'correct horse');
  t.after(() => realm.stop());
  const bundle = join(temporaryFolder(t), 'realm.pem');
  writeFileSync(bundle, realm.certificate);
  const { host } = await registryFor(t, {
    REGISTRY_AUTH: 'token',
    REGISTRY_AUTH_TOKEN_REALM: realm.url,
    REGISTRY_AUTH_TOKEN_SERVICE: 'models',
    REGISTRY_AUTH_TOKEN_ISSUER: 'realm',
    REGISTRY_AUTH_TOKEN_ROOTCERTBUNDLE: bundle,
  });
  const reference = parseReference(`oci://${host}/models/tiny:v1`);
  const source = await packageFor(t);
  const ann = {
    ...options,
    credentials: async () =>
      ({ kind: 'password', username: 'ann', password: 'correct horse' }) as const,
  };
  await assert.rejects(pushModel(source, reference, options), { code: 'HUB_UNAUTHORIZED' });
  await pushModel(source, reference, ann);
  const folder = temporaryFolder(t);
  await pullModel(reference, folder, options);
  assertPackage(folder);
  assert.deepEqual(realm.granted.at(-1), 'repository:models/tiny:pull');
});

test('docker-registry: a download that is cut twice goes on by range', real, async (t) => {
  const { port, host } = await registryFor(t);
  const pushed = await pushModel(
    await packageFor(t),
    parseReference(`oci://${host}/models/tiny:v1`),
    options,
  );
  const weights = pushed.contents.files.find(({ path }) => path === 'weights.bin')?.blob.digest;
  const proxy = await startFailingProxy(port, (_, path, earlier) =>
    path.endsWith(`/blobs/${weights}`) && earlier < 2
      ? { kind: 'cut-response', after: 1_500_000 }
      : undefined,
  );
  t.after(() => proxy.stop());
  const folder = temporaryFolder(t);
  await pullModel(parseReference(`oci://${proxy.host}/models/tiny:v1`), folder, options);
  assertPackage(folder);
  assert.equal(proxy.seen.filter((one) => one.endsWith(`/blobs/${weights}`)).length, 3);
});

test(
  'docker-registry: a layer that is corrupted in its storage is never placed',
  real,
  async (t) => {
    const registry = await registryFor(t);
    const reference = parseReference(`oci://${registry.host}/models/tiny:v1`);
    const pushed = await pushModel(await packageFor(t), reference, options);
    for (const wanted of ['weights.bin', 'model.onnx', 'card.md']) {
      const blob = pushed.contents.files.find(({ path }) => path === wanted)?.blob;
      const file = registry.blobFile(blob === undefined ? '' : hexOf(blob.digest));
      const before = readFileSync(file);
      const after = Buffer.from(before);
      after[after.length >> 1] = (after[after.length >> 1] ?? 0) ^ 1;
      writeFileSync(file, after);
      const folder = temporaryFolder(t);
      await assert.rejects(pullModel(reference, folder, options), { code: 'HUB_DIGEST' });
      assert.deepEqual(readdirSync(folder), ['.assay-staging']);
      writeFileSync(file, before);
      await pullModel(reference, folder, options);
      assertPackage(folder);
    }
  },
);

test('docker-registry: a moved tag is refused', real, async (t) => {
  const { host } = await registryFor(t);
  const tagged = parseReference(`oci://${host}/models/tiny:v1`);
  const first = await pushModel(await packageFor(t, 1024), tagged, options);
  const folder = temporaryFolder(t);
  await pullModel(tagged, folder, options);
  const other = await packageFor(t, 1024, 2);
  await assert.rejects(pushModel(other, tagged, options), { code: 'HUB_TAG_TAKEN' });
  await pushModel(other, tagged, { ...options, moveTag: true });
  await assert.rejects(pullModel(tagged, folder, options), { code: 'HUB_TAG_MOVED' });
  const both = parseReference(`oci://${host}/models/tiny:v1@${first.digest}`);
  await assert.rejects(pullModel(both, temporaryFolder(t), options), { code: 'HUB_TAG_MOVED' });
  assertPackage(folder, 1024);
  await pullModel(tagged, folder, { ...options, acceptMove: true });
  assertPackage(folder, 1024, 2);
});

test('docker-registry: 500 and 429 before every answer are sat out', real, async (t) => {
  const { port, host } = await registryFor(t);
  const pauses: number[] = [];
  const proxy = await startFailingProxy(port, (_method, _path, earlier) => {
    if (earlier === 0) return { kind: 'answer', status: 500 };
    if (earlier === 1) return { kind: 'answer', status: 429, headers: { 'retry-after': '2' } };
    return undefined;
  });
  t.after(() => proxy.stop());
  const patient = { ...options, retry: impatient(pauses) };
  await pushModel(
    await packageFor(t),
    parseReference(`oci://${proxy.host}/models/tiny:v1`),
    patient,
  );
  const folder = temporaryFolder(t);
  await pullModel(parseReference(`oci://${proxy.host}/models/tiny:v1`), folder, patient);
  assertPackage(folder);
  assert.ok(pauses.filter((pause) => pause === 2000).length > 10);
  await pullModel(parseReference(`oci://${host}/models/tiny:v1`), temporaryFolder(t), options);
});

test('docker-registry: a name and a password are asked for, and answered', real, async (t) => {
  const passwords = join(temporaryFolder(t), 'htpasswd');
  // bcrypt of "correct horse", cost 4
  writeFileSync(passwords, 'ann:$2b$04$4BFXhWL3SWy27rsAgK4nFuggYksf/Nq1BTegImjGgd7Yqb.sWCYkq\n');
  const { host } = await registryFor(t, {
    REGISTRY_AUTH: 'htpasswd',
    REGISTRY_AUTH_HTPASSWD_REALM: 'models',
    REGISTRY_AUTH_HTPASSWD_PATH: passwords,
  });
  const reference = parseReference(`oci://${host}/models/tiny:v1`);
  const source = await packageFor(t);
  const as = (password: string) => ({
    ...options,
    credentials: async () => ({ kind: 'password', username: 'ann', password }) as const,
  });
  await assert.rejects(pushModel(source, reference, options), { code: 'HUB_UNAUTHORIZED' });
  await assert.rejects(pushModel(source, reference, as('wrong')), { code: 'HUB_UNAUTHORIZED' });
  await pushModel(source, reference, as('correct horse'));
  const folder = temporaryFolder(t);
  await pullModel(reference, folder, as('correct horse'));
  assertPackage(folder);
});
