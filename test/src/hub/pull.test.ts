import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readPackage } from '../../../src/hub/package-source.js';
import { pullModel } from '../../../src/hub/pull.js';
import { pushModel } from '../../../src/hub/push.js';
import { parseReference } from '../../../src/hub/reference.js';
import { packageFiles, writeFiles } from '../../forge/model-package.js';
import type { Fault } from '../../forge/registry.js';
import {
  assertNothingServed,
  assertPackage,
  stockedRegistry,
  temporaryFolder,
  WEIGHTS,
} from './setting.js';

test('what was pushed is pulled, and pulling again fetches no blob', async (t) => {
  const { registry, place, options } = await stockedRegistry(t);
  const folder = temporaryFolder(t);
  await pullModel(parseReference(`${place}:v1`), folder, options);
  assertPackage(folder);
  assert.equal(existsSync(join(folder, '.assay-staging')), false);
  registry.seen.length = 0;
  await pullModel(parseReference(`${place}:v1`), folder, options);
  assert.equal(registry.requests('GET', WEIGHTS).length, 0);
});

const onWeights = (fault: Fault): readonly [Fault, RegExp] => [fault, WEIGHTS];
const onManifest = (fault: Fault): readonly [Fault, RegExp] => [fault, /\/manifests\//];
const ZERO = `sha256:${'0'.repeat(64)}`;

const failures: readonly (readonly [string, string, readonly [Fault, RegExp]])[] = [
  ['a corrupted layer', 'HUB_DIGEST', onWeights({ kind: 'corrupt' })],
  ['a registry that always answers 500', 'HUB_SERVICE', onWeights({ kind: 'answer', status: 500 })],
  [
    'a registry that always answers 429',
    'HUB_SERVICE',
    onManifest({ kind: 'answer', status: 429 }),
  ],
  ['a lost blob', 'HUB_NOT_FOUND', onWeights({ kind: 'answer', status: 404 })],
  ['a refusal', 'HUB_UNAUTHORIZED', onManifest({ kind: 'answer', status: 403 })],
  ['a connection that always drops', 'HUB_UNREACHABLE', onManifest({ kind: 'drop' })],
  [
    'a wrong digest header',
    'HUB_DIGEST',
    onManifest({ kind: 'header', name: 'docker-content-digest', value: ZERO }),
  ],
  [
    'a redirect without end',
    'HUB_REDIRECT',
    onWeights({ kind: 'answer', status: 307, headers: { location: '' } }),
  ],
  ['a redirect to nowhere', 'HUB_PROTOCOL', onWeights({ kind: 'answer', status: 307 })],
  [
    'a redirect to plain HTTP elsewhere',
    'HUB_TRANSPORT',
    onWeights({ kind: 'answer', status: 307, headers: { location: 'http://storage.invalid/x' } }),
  ],
  [
    'a redirect to a file',
    'HUB_TRANSPORT',
    onWeights({ kind: 'answer', status: 307, headers: { location: 'file:///etc/passwd' } }),
  ],
  [
    'a redirect with a password in it',
    'HUB_TRANSPORT',
    onWeights({ kind: 'answer', status: 307, headers: { location: 'http://a:b@127.0.0.1:1/x' } }),
  ],
  ['a status of its own making', 'HUB_PROTOCOL', onManifest({ kind: 'answer', status: 299 })],
];

for (const [name, code, [fault, path]] of failures) {
  test(`nothing is served after ${name}`, async (t) => {
    const { registry, place, options } = await stockedRegistry(t);
    const folder = temporaryFolder(t);
    registry.fault = (seen) => (path.test(seen.path) ? fault : undefined);
    await assert.rejects(pullModel(parseReference(`${place}:v1`), folder, options), { code });
    assertNothingServed(folder);
  });
}

test('an oversized manifest is not read', async (t) => {
  const { registry, place, options } = await stockedRegistry(t);
  const bytes = Buffer.alloc(5 * 1024 * 1024, 0x20);
  registry.manifests.set('big', bytes);
  registry.tags.set('v1', 'big');
  await assert.rejects(pullModel(parseReference(`${place}:v1`), temporaryFolder(t), options), {
    code: 'HUB_SIZE',
  });
});

test('a blob that is longer than its manifest says is refused', async (t) => {
  const { registry, place, options, digestOf } = await stockedRegistry(t);
  const digest = digestOf('weights.bin');
  registry.blobs.set(
    digest,
    Buffer.concat([registry.blobs.get(digest) ?? Buffer.alloc(0), Buffer.of(0)]),
  );
  const folder = temporaryFolder(t);
  await assert.rejects(pullModel(parseReference(`${place}:v1`), folder, options), {
    code: 'HUB_SIZE',
  });
  assertNothingServed(folder);
});

test('a manifest that is not the one of the digest is refused', async (t) => {
  const { registry, place, options, pushed } = await stockedRegistry(t);
  const other = Buffer.from(`${Buffer.from(pushed.bytes).toString()} `);
  registry.manifests.set(pushed.digest, other);
  registry.fault = (seen) =>
    /manifests/.test(seen.path)
      ? {
          kind: 'header',
          name: 'docker-content-digest',
          value: `sha256:${createHash('sha256').update(other).digest('hex')}`,
        }
      : undefined;
  const reference = parseReference(`${place}@${pushed.digest}`);
  await assert.rejects(pullModel(reference, temporaryFolder(t), options), { code: 'HUB_DIGEST' });
});

test('a moved tag is refused by the digest beside it, and by the folder’s own record', async (t) => {
  const { place, options, pushed } = await stockedRegistry(t);
  const tagged = parseReference(`${place}:v1`);
  const folder = temporaryFolder(t);
  await pullModel(tagged, folder, options);
  const source = temporaryFolder(t);
  writeFiles(source, { ...packageFiles(512, 2), 'test_data_set_1/input_0.pb': 'x' });
  const next = await readPackage(source, 'tiny');
  await assert.rejects(pushModel(next, tagged, options), { code: 'HUB_TAG_TAKEN' });
  await pushModel(next, tagged, { ...options, moveTag: true });

  await assert.rejects(pullModel(tagged, folder, options), { code: 'HUB_TAG_MOVED' });
  assertPackage(folder);
  const both = parseReference(`${place}:v1@${pushed.digest}`);
  await assert.rejects(pullModel(both, temporaryFolder(t), options), { code: 'HUB_TAG_MOVED' });
  await pullModel(parseReference(`${place}@${pushed.digest}`), temporaryFolder(t), options);

  await pullModel(tagged, folder, { ...options, acceptMove: true });
  assertPackage(folder, 512, 2);
  await pushModel(await readPackage(folder, 'tiny'), tagged, options);
});

test('a package that is larger than allowed is not begun', async (t) => {
  const { registry, place, options } = await stockedRegistry(t);
  const reference = parseReference(`${place}:v1`);
  await assert.rejects(pullModel(reference, temporaryFolder(t), { ...options, maxSize: 4096 }), {
    code: 'HUB_SIZE',
  });
  assert.equal(registry.requests('GET', WEIGHTS).length, 0);
});

test('a manifest that states another computation is found out', async (t) => {
  const { registry, place, options, pushed } = await stockedRegistry(t);
  const text = Buffer.from(pushed.bytes)
    .toString()
    .replace(/"[0-9a-f]{64}"/, `"${'0'.repeat(64)}"`);
  registry.manifests.set('lie', Buffer.from(text));
  registry.tags.set('v1', 'lie');
  const folder = temporaryFolder(t);
  await assert.rejects(pullModel(parseReference(`${place}:v1`), folder, options), {
    code: 'HUB_GRAPH',
  });
  assertNothingServed(folder);
});

test('external data that the model does not name, or that is missing, is found out', async (t) => {
  const { registry, place, options, pushed } = await stockedRegistry(t);
  for (const name of ['other.bin', 'weights.bin.2']) {
    registry.manifests.set(
      'lie',
      Buffer.from(Buffer.from(pushed.bytes).toString().replace('weights.bin', name)),
    );
    registry.tags.set('v1', 'lie');
    await assert.rejects(pullModel(parseReference(`${place}:v1`), temporaryFolder(t), options), {
      code: 'HUB_PACKAGE',
    });
  }
});
