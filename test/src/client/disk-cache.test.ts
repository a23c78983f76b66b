import assert from 'node:assert/strict';
import { appendFile, mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { isAbsolute, join } from 'node:path';
import { after, before, test } from 'node:test';
import { DiskCache, defaultCacheDirectory } from '../../../src/client/disk-cache.js';

const URL = 'https://kds.example/vcek/v1/Milan/ab';
const answer = {
  body: Uint8Array.of(0, 1, 255),
  headers: { 'content-type': 'application/x-x509-ca-cert' },
  storedAt: new Date('2026-06-01T12:00:00.000Z'),
};

let folder = '';
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'assay-cache-'));
});
after(() => rm(folder, { recursive: true }));

test('an answer comes back as it was put, in another process too', async () => {
  const directory = join(folder, 'new', 'nested');
  assert.equal(await new DiskCache(directory).get(URL), undefined);
  await new DiskCache(directory).put(URL, answer);
  assert.deepEqual(await new DiskCache(directory).get(URL), answer);
  assert.equal(await new DiskCache(directory).get(`${URL}c`), undefined);
  assert.equal((await readdir(directory)).length, 1);
});

test('the longest answer that is fetched fits, and a file beyond all answers is no entry', async () => {
  const directory = join(folder, 'long');
  const cache = new DiskCache(directory);
  const longest = { ...answer, body: new Uint8Array(2 ** 22) };
  await cache.put(URL, longest);
  assert.deepEqual(await cache.get(URL), longest);
  const [name = ''] = await readdir(directory);
  await appendFile(join(directory, name), Buffer.alloc(2 ** 22, ' '));
  assert.equal(await cache.get(URL), undefined);
});

test('the later of two answers counts', async () => {
  const cache = new DiskCache(join(folder, 'twice'));
  await Promise.all([cache.put(URL, answer), cache.put(URL, answer)]);
  await cache.put(URL, { ...answer, body: Uint8Array.of(7) });
  assert.deepEqual((await cache.get(URL))?.body, Uint8Array.of(7));
});

test('where no folder can be made there is no entry, and to keep one is an error', async () => {
  const file = join(folder, 'file');
  await writeFile(file, '');
  for (const directory of [file, join(file, 'below'), '/proc/none/below']) {
    const cache = new DiskCache(directory);
    await assert.rejects(cache.put(URL, answer), { syscall: 'mkdir' }, directory);
    assert.equal(await cache.get(URL), undefined, directory);
  }
});

test('nothing is left of an answer that cannot be kept', async () => {
  const directory = join(folder, 'occupied');
  const cache = new DiskCache(directory);
  await cache.put(URL, answer);
  const [name = ''] = await readdir(directory);
  await rm(join(directory, name));
  await mkdir(join(directory, name));
  await assert.rejects(cache.put(URL, answer), { syscall: 'rename' });
  assert.deepEqual(await readdir(directory), [name]);
});

test('an entry that was damaged, or is of another URL, is no entry', async () => {
  const directory = join(folder, 'damaged');
  const cache = new DiskCache(directory);
  await cache.put(URL, answer);
  const [name = ''] = await readdir(directory);
  for (const content of [
    '',
    '{',
    '[]',
    '{"url":1}',
    JSON.stringify({
      url: 'https://other.example',
      storedAt: answer.storedAt.toISOString(),
      headers: {},
      body: '',
    }),
  ]) {
    await writeFile(join(directory, name), content);
    assert.equal(await cache.get(URL), undefined, content);
  }
});

test('the directory follows the XDG base directory specification', () => {
  assert.equal(defaultCacheDirectory({ XDG_CACHE_HOME: '/c' }), '/c/assay/endorsements');
  const home = defaultCacheDirectory({});
  assert.match(home, /\.cache\/assay\/endorsements$/);
  for (const none of ['', 'c', './c']) {
    assert.equal(defaultCacheDirectory({ XDG_CACHE_HOME: none }), home);
  }
  const { HOME } = process.env;
  try {
    process.env['HOME'] = '';
    assert.ok(isAbsolute(defaultCacheDirectory({})), 'an empty HOME is none');
  } finally {
    process.env['HOME'] = HOME;
  }
});
