import assert from 'node:assert/strict';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { readPackage } from '../../../src/hub/package-source.js';
import { pushModel } from '../../../src/hub/push.js';
import { parseReference } from '../../../src/hub/reference.js';
import { resolveModel } from '../../../src/hub/resolve.js';
import { packageFiles, writeFiles } from '../../forge/model-package.js';
import { impatient, stockedRegistry, temporaryFolder } from './setting.js';

test('a model is resolved by digest, and from the cache without the hub', async (t) => {
  const { registry, place, options, pushed } = await stockedRegistry(t);
  const cache = temporaryFolder(t);
  const reference = `${place}@${pushed.digest}`;
  const first = await resolveModel(reference, { ...options, cache });
  assert.equal(registry.requests('GET', /manifests/).length, 1);
  assert.equal(first.manifestDigest, pushed.digest);
  assert.equal(toHex(first.graph), pushed.contents.graph);
  assert.deepEqual(readFileSync(first.modelPath), Buffer.from(packageFiles()['model.onnx'] ?? ''));
  assert.deepEqual(
    first.files.map(({ path }) => path),
    Object.keys(packageFiles()).filter((path) => !path.startsWith('originals/')),
  );
  assert.equal(existsSync(join(first.directory, 'originals')), false);
  registry.seen.length = 0;
  assert.deepEqual(await resolveModel(reference, { ...options, cache }), first);
  assert.equal(registry.seen.length, 0);
});

test('a cached file that was altered is not taken', async (t) => {
  const { registry, place, options, pushed } = await stockedRegistry(t);
  const cache = temporaryFolder(t);
  const reference = `${place}@${pushed.digest}`;
  const { directory } = await resolveModel(reference, { ...options, cache });
  writeFileSync(join(directory, 'weights.bin'), Buffer.alloc(4096));
  await resolveModel(reference, { ...options, cache });
  assert.deepEqual(
    readFileSync(join(directory, 'weights.bin')),
    Buffer.from(packageFiles()['weights.bin'] ?? ''),
  );
  writeFileSync(join(directory, 'weights.bin'), Buffer.alloc(4096));
  registry.fault = () => ({ kind: 'answer', status: 500 });
  await assert.rejects(resolveModel(reference, { ...options, cache }), { code: 'HUB_SERVICE' });
});

test('a cache below a file ends with a code of its own', async (t) => {
  const { place, options, pushed } = await stockedRegistry(t);
  const cache = join(temporaryFolder(t), 'file', 'cache');
  writeFileSync(join(cache, '..'), '');
  await assert.rejects(resolveModel(`${place}@${pushed.digest}`, { ...options, cache }), {
    code: 'HUB_FILE',
    message: /ENOTDIR/,
  });
});

test('a tag alone is not enough to serve', async (t) => {
  const { registry, place, options } = await stockedRegistry(t);
  const cache = temporaryFolder(t);
  await assert.rejects(resolveModel(`${place}:v1`, { ...options, cache }), {
    code: 'HUB_UNPINNED',
  });
  assert.equal(registry.seen.length, 0);
});

test('a package without ONNX is kept, listed and never executed', async (t) => {
  const { registry, place, options } = await stockedRegistry(t);
  const source = temporaryFolder(t);
  writeFiles(source, { 'm.gguf': 'GGUF....' });
  const local = await readPackage(join(source, 'm.gguf'), 'm');
  const pushed = await pushModel(local, parseReference(`${place}:gguf`), { retry: impatient() });
  assert.equal(pushed.contents.graph, undefined);
  registry.seen.length = 0;
  const cache = temporaryFolder(t);
  await assert.rejects(resolveModel(`${place}@${pushed.digest}`, { ...options, cache }), {
    code: 'HUB_NOT_EXECUTABLE',
    message: /originals\/m\.gguf is GGUF: pip install .*gguf.*gguf_file.*optimum-cli export onnx/,
  });
  assert.equal(registry.requests('GET', /blobs/).length, 0);
});
