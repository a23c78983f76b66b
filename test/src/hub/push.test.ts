import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdirSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { openHub } from '../../../src/hub/open-hub.js';
import { readPackage } from '../../../src/hub/package-source.js';
import { pullModel } from '../../../src/hub/pull.js';
import { pushModel } from '../../../src/hub/push.js';
import { parseReference } from '../../../src/hub/reference.js';
import { listRepositories } from '../../../src/hub/registry.js';
import { UploadNotes } from '../../../src/hub/upload-notes.js';
import { packageFiles, writeFiles } from '../../forge/model-package.js';
import type { Fault, Seen } from '../../forge/registry.js';
import { forgedRegistry, impatient, temporaryFolder } from './setting.js';

const CHUNK = 32 * 1024;
const SIZE = 256 * 1024;
const UPLOAD = /\/blobs\/uploads\//;

async function setting(t: Parameters<typeof forgedRegistry>[0]) {
  const registry = await forgedRegistry(t);
  const folder = temporaryFolder(t);
  writeFiles(folder, packageFiles(SIZE / 4));
  const source = await readPackage(folder, 'tiny');
  const reference = parseReference(`oci://${registry.host}/models/tiny:v1`);
  const options = { retry: impatient(), chunkSize: CHUNK };
  const patches = (): readonly Seen[] => registry.requests('PATCH', UPLOAD);
  const weights =
    source.contents.files.find(({ path }) => path === 'weights.bin')?.blob.digest ?? '';
  return { registry, folder, source, reference, options, patches, weights };
}

/** A push that ended within its one upload in parts, of which there is a note. */
async function interrupted(t: Parameters<typeof forgedRegistry>[0]) {
  const { registry, source, reference, patches, options, weights } = await setting(t);
  const notes = join(temporaryFolder(t), 'uploads');
  const uploads = new UploadNotes(() => notes);
  const withNotes = { ...options, uploads };
  registry.fault = ({ method }) =>
    method === 'PATCH' && patches().length >= 4 ? { kind: 'drop' } : undefined;
  await assert.rejects(pushModel(source, reference, withNotes), {
    code: 'HUB_UNREACHABLE',
  });
  return { registry, source, reference, patches, weights, notes, options: withNotes };
}

test('large blobs go in parts, small ones at once, present ones not at all', async (t) => {
  const { registry, source, reference, options, patches } = await setting(t);
  const first = await pushModel(source, reference, options);
  assert.equal(patches().length, SIZE / CHUNK);
  assert.equal(first.present.length, 0);
  assert.equal(first.uploaded.length, source.contents.files.length);
  registry.seen.length = 0;
  const second = await pushModel(source, reference, options);
  assert.equal(second.digest, first.digest);
  assert.equal(second.uploaded.length, 0);
  assert.equal(registry.requests('POST', UPLOAD).length, 0);
});

test('a folder that is named by a link is the package that it leads to', async (t) => {
  const { folder, source } = await setting(t);
  const link = join(temporaryFolder(t), 'link');
  symlinkSync(folder, link);
  assert.deepEqual((await readPackage(link, 'tiny')).contents, source.contents);
});

test('the manifest comes last', async (t) => {
  const { registry, source, reference, options } = await setting(t);
  registry.fault = ({ method, path }) =>
    method === 'PUT' && UPLOAD.test(path) ? { kind: 'answer', status: 500 } : undefined;
  await assert.rejects(pushModel(source, reference, options), { code: 'HUB_SERVICE' });
  assert.equal(registry.manifests.size, 0);
});

test('a part that arrived by half is gone on with', async (t) => {
  const { registry, source, reference, options, patches, weights } = await setting(t);
  registry.fault = ({ method }) => {
    if (method !== 'PATCH') return undefined;
    return patches().length === 3 ? { kind: 'keep', bytes: 1000 } : undefined;
  };
  await pushModel(source, reference, options);
  assert.equal(registry.requests('GET', UPLOAD).length, 1);
  assert.equal(registry.blobs.get(weights)?.length, SIZE);
});

const passing: readonly (readonly [string, Fault])[] = [
  ['a dropped connection', { kind: 'drop' }],
  ['a 500', { kind: 'answer', status: 500 }],
  ['a 429', { kind: 'answer', status: 429, headers: { 'retry-after': '3' } }],
  ['a 416', { kind: 'answer', status: 416 }],
  ['a part too large', { kind: 'answer', status: 413 }],
  ['one byte that arrived', { kind: 'keep', bytes: 1 }],
  ['no byte that arrived', { kind: 'keep', bytes: 0 }],
  ['a whole part whose answer was lost', { kind: 'keep', bytes: CHUNK }],
  ['a forgotten session', { kind: 'answer', status: 404 }],
];
for (const [name, fault] of passing) {
  for (const part of [1, 2]) {
    test(`a push survives ${name} at part ${part}`, async (t) => {
      const { registry, source, reference, options, patches, weights } = await setting(t);
      const sizes = name.includes('large') ? { chunkSize: 4 * 1024 * 1024 } : {};
      registry.fault = ({ method, path }) => {
        if (!UPLOAD.test(path)) return undefined;
        if (name.includes('large')) {
          const puts = registry.requests('PUT', UPLOAD).length;
          return method === 'PUT' && puts === part ? fault : undefined;
        }
        return method === 'PATCH' && patches().length === part ? fault : undefined;
      };
      await pushModel(source, reference, { ...options, ...sizes });
      assert.equal(registry.blobs.get(weights)?.length, SIZE);
      registry.fault = () => undefined;
      await pullModel(reference, temporaryFolder(t), options);
    });
  }
}

test('parts that are too large for a registry become smaller, also where it says 416', async (t) => {
  const MIB = 2 ** 20;
  const { registry, folder, reference, options, patches } = await setting(t);
  writeFiles(folder, packageFiles((5 * MIB) / 4));
  const source = await readPackage(folder, 'tiny');
  registry.fault = ({ method, length }) =>
    method === 'PATCH' && length > MIB ? { kind: 'answer', status: 416 } : undefined;
  await pushModel(source, reference, { ...options, chunkSize: 4 * MIB });
  assert.deepEqual(
    patches().map(({ length }) => length),
    [4, 1, 1, 1, 1, 1].map((mebibytes) => mebibytes * MIB),
  );
  registry.fault = () => undefined;
  await pullModel(reference, temporaryFolder(t), options);
});

const partless: readonly (readonly [string, Fault, number])[] = [
  ['refuses parts as a method', { kind: 'answer', status: 405 }, 1],
  ['refuses parts as a request', { kind: 'answer', status: 400 }, 1],
  ['keeps none of the second part, and says so', { kind: 'lose' }, 2],
];
for (const [name, fault, part] of partless) {
  test(`a registry that ${name} gets all at once`, async (t) => {
    const { registry, folder, source, reference, options, patches, weights } = await setting(t);
    const puts = () => registry.requests('PUT', UPLOAD).filter(({ length }) => length === SIZE);
    registry.fault = ({ method, length }) => {
      if (method === 'PUT' && length === SIZE && puts().length === 1) {
        return { kind: 'answer', status: 500 };
      }
      return method === 'PATCH' && patches().length >= part ? fault : undefined;
    };
    await pushModel(source, reference, options);
    assert.deepEqual([patches().length, puts().length], [part, 2]);
    assert.equal(registry.blobs.get(weights)?.length, SIZE);
    registry.blobs.delete(weights);
    writeFiles(folder, { 'weights.bin': new Uint8Array(SIZE - 1) });
    await assert.rejects(pushModel(source, reference, options), { code: 'HUB_CHANGED' });
  });
}

test('the end of an upload whose answer was lost is recognised', async (t) => {
  const { registry, source, reference, options, weights } = await setting(t);
  let lost = false;
  registry.fault = ({ method, path }) => {
    const ends =
      method === 'PUT' &&
      UPLOAD.test(path) &&
      registry.requests('PATCH', UPLOAD).length === SIZE / CHUNK;
    if (!ends || lost) return undefined;
    lost = true;
    const whole = source.sources.get('weights.bin') ?? '';
    registry.storeAndForget(weights, whole);
    return { kind: 'drop' };
  };
  await pushModel(source, reference, options);
  assert.equal(registry.requests('PATCH', UPLOAD).length, SIZE / CHUNK);
});

test('an upload is not gone on with where a password is in its Location', async (t) => {
  const { registry, source, reference, options } = await setting(t);
  const location = `http://a:b@${registry.host}/v2/models/tiny/blobs/uploads/1`;
  registry.fault = ({ method }) =>
    method === 'POST' ? { kind: 'answer', status: 202, headers: { location } } : undefined;
  await assert.rejects(pushModel(source, reference, options), { code: 'HUB_TRANSPORT' });
  assert.deepEqual(
    [...registry.requests('PATCH', UPLOAD), ...registry.requests('PUT', UPLOAD)],
    [],
  );
});

test('a registry that always forgets is given up', async (t) => {
  const { registry, source, reference, options } = await setting(t);
  registry.fault = ({ method }) =>
    method === 'PATCH' ? { kind: 'answer', status: 404 } : undefined;
  await assert.rejects(pushModel(source, reference, options), { code: 'HUB_SERVICE' });
});

test('another process goes on with an upload that was interrupted', async (t) => {
  const { registry, source, reference, options, patches, weights } = await interrupted(t);
  registry.fault = () => undefined;
  registry.seen.length = 0;
  await pushModel(source, reference, options);
  assert.equal(patches().length, SIZE / CHUNK - 3);
  assert.equal(registry.blobs.get(weights)?.length, SIZE);
});

test('where no note can be kept, a push does without', async (t) => {
  const { source, reference, options } = await setting(t);
  const uploads = new UploadNotes(() => '/proc/none/uploads');
  await pushModel(source, reference, { ...options, uploads });
});

test('a note about an upload that is gone starts a new one, and is not kept', async (t) => {
  const { registry, source, reference, options, notes } = await interrupted(t);
  assert.equal(readdirSync(notes).length, 1);
  registry.fault = () => undefined;
  registry.forgetUploads();
  await pushModel(source, reference, options);
  assert.deepEqual(readdirSync(notes), []);
});

test('a file that changes while it is pushed is refused', async (t) => {
  const { folder, source, reference, options } = await setting(t);
  writeFiles(folder, { 'weights.bin': new Uint8Array(SIZE) });
  await assert.rejects(pushModel(source, reference, options), { code: 'HUB_DIGEST' });
  writeFiles(folder, { 'weights.bin': new Uint8Array(SIZE - 1) });
  await assert.rejects(pushModel(source, reference, options), { code: 'HUB_CHANGED' });
});

test('a digest in the reference must be the package’s', async (t) => {
  const { registry, source, options } = await setting(t);
  const reference = parseReference(`oci://${registry.host}/models/tiny@sha256:${'0'.repeat(64)}`);
  await assert.rejects(pushModel(source, reference, options), { code: 'HUB_DIGEST' });
  assert.equal(registry.seen.length, 0);
});

test('the same package has the same digest wherever it is pushed', async (t) => {
  const { source, reference, options } = await setting(t);
  const registered = await pushModel(source, reference, options);
  const directory = parseReference(`ocidir://${join(temporaryFolder(t), 'tiny')}:v1`);
  assert.equal((await pushModel(source, directory, options)).digest, registered.digest);
});

test('lists turn every page', async (t) => {
  const { registry, source, options } = await setting(t);
  for (const tag of ['v1', 'v2', 'v3']) {
    await pushModel(source, parseReference(`oci://${registry.host}/models/tiny:${tag}`), options);
  }
  const reference = parseReference(`oci://${registry.host}/models/tiny`);
  assert.equal(reference.kind, 'registry');
  if (reference.kind !== 'registry') return;
  assert.deepEqual(await openHub(reference, options).tags(), ['v1', 'v2', 'v3']);
  assert.deepEqual(await listRepositories(registry.host, options), ['models/tiny']);
});

const refused = [
  '<http://[>; rel="next"',
  '<http://elsewhere.invalid/>; rel="next"',
  '/v2/_catalog?last=a; rel="next"',
  '</v2/_catalog?last=a; rel="next"',
  '</v2/_catalog?last=a>; rel="next',
  '</v2/_catalog?last=a> rel="next"',
  '</v2/_catalog?last=a>; rel="next" more',
];
for (const link of refused) {
  test(`a list does not go on at ${link}`, async (t) => {
    const { registry, options } = await setting(t);
    registry.fault = () => ({ kind: 'answer', status: 200, headers: { link } });
    await assert.rejects(listRepositories(registry.host, options), { code: 'HUB_PROTOCOL' });
  });
}

const links: readonly (readonly [string, boolean])[] = [
  ['<?last=a>; rel="next"', true],
  ['<?last=a>; rel=next', true],
  ['<?last=a>; title="more"; rel="next"', true],
  ['<?last=a> ; Rel = NEXT ; title', true],
  ['<?last=a>; rel="last next"', true],
  ['<?last=a>;rel="next";title="a; rel=prev, \\"b\\""', true],
  ['<http://elsewhere.invalid/>; rel="first", <?last=a>; rel="next"', true],
  [', <?last=a>; rel="next" ,', true],
  ['<?last=a>; rel="prev"', false],
  ['<?last=a>; rel="prev"; rel="next"', false],
  ['<?last=a>; rel="next-archive"', false],
  ['<?last=a>; title="x; rel=next"', false],
  ['<?last=a>', false],
];
for (const [link, more] of links) {
  test(`a list ${more ? 'goes on' : 'ends'} at ${link}`, async (t) => {
    const { registry, options } = await setting(t);
    registry.fault = (_, earlier) =>
      earlier === 0 ? { kind: 'answer', status: 200, headers: { link } } : undefined;
    await listRepositories(registry.host, options);
    assert.equal(registry.requests('GET', /_catalog$/).length, more ? 2 : 1);
  });
}

test('a list of more names than are taken is refused, all on one page too', async (t) => {
  const { options } = await setting(t);
  const repositories = Array.from({ length: 200_000 }, (_, i) => i.toString(36));
  const server = createServer((_, response) => response.end(JSON.stringify({ repositories })));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => server.close());
  const host = `127.0.0.1:${(server.address() as AddressInfo).port}`;
  await assert.rejects(listRepositories(host, options), { code: 'HUB_SIZE' });
});
