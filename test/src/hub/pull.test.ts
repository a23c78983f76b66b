import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  existsSync,
  linkSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { readPackage } from '../../../src/hub/package-source.js';
import { pullModel } from '../../../src/hub/pull.js';
import { pushModel } from '../../../src/hub/push.js';
import { parseReference } from '../../../src/hub/reference.js';
import { packageFiles, writeFiles } from '../../forge/model-package.js';
import type { Fault } from '../../forge/registry.js';
import { forgedRegistry, impatient, stockedRegistry, temporaryFolder } from './setting.js';

const WEIGHTS = /\/blobs\/sha256:/;

function assertPackage(folder: string, elements = 1024, seed = 1): void {
  for (const [path, content] of Object.entries(packageFiles(elements, seed))) {
    assert.deepEqual(readFileSync(join(folder, path)), Buffer.from(content), path);
  }
}

/** Only what is verified may have a name outside the staging folder. */
function assertNothingServed(folder: string): void {
  const names = readdirSync(folder).filter((name) => name !== '.assay-staging');
  assert.deepEqual(names, []);
}

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

test('a download that is cut goes on where it stopped', async (t) => {
  const { registry, place, options, digestOf } = await stockedRegistry(t, 65_536);
  const folder = temporaryFolder(t);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen, earlier) =>
    path.test(seen.path) && earlier < 3 ? { kind: 'cut', after: 50_000 } : undefined;
  await pullModel(parseReference(`${place}:v1`), folder, options);
  assertPackage(folder, 65_536);
  const starts = registry
    .requests('GET', path)
    .map(({ range }) => Number(/=(\d+)-/.exec(range ?? '=0-')?.[1]));
  assert.equal(starts.length, 4);
  assert.deepEqual(
    [...starts].sort((a, b) => a - b),
    starts,
  );
  assert.ok((starts[3] ?? 0) > (starts[1] ?? 0) && (starts[1] ?? 0) > 0, String(starts));
});

test('another process goes on with what an interrupted one left', async (t) => {
  const { registry, place, digestOf } = await stockedRegistry(t, 65_536);
  const folder = temporaryFolder(t);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen, earlier) => {
    if (!path.test(seen.path)) return undefined;
    return earlier === 0 ? { kind: 'cut', after: 100_000 } : { kind: 'drop' };
  };
  const reference = parseReference(`${place}:v1`);
  await assert.rejects(pullModel(reference, folder, { retry: impatient([], 2) }), {
    code: 'HUB_UNREACHABLE',
  });
  assertNothingServed(folder);
  registry.fault = () => undefined;
  registry.seen.length = 0;
  await pullModel(reference, folder, { retry: impatient() });
  assertPackage(folder, 65_536);
  const [request, ...more] = registry.requests('GET', path);
  assert.equal(more.length, 0);
  assert.match(request?.range ?? '', /^bytes=[1-9]\d*-262143$/);
});

test('a registry without ranges sends the whole blob again', async (t) => {
  const { registry, place, options, digestOf } = await stockedRegistry(t, 65_536);
  const folder = temporaryFolder(t);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen, earlier) => {
    if (!path.test(seen.path)) return undefined;
    return earlier === 0 ? { kind: 'cut', after: 100_000 } : { kind: 'no-ranges' };
  };
  await pullModel(parseReference(`${place}:v1`), folder, options);
  assertPackage(folder, 65_536);
});

test('a download that stalls is taken up again', async (t) => {
  const { registry, place, digestOf } = await stockedRegistry(t, 65_536);
  const folder = temporaryFolder(t);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen, earlier) =>
    path.test(seen.path) && earlier < 2 ? { kind: 'stall', after: 50_000 } : undefined;
  const options = { retry: impatient(), idleTimeout: 200 };
  await pullModel(parseReference(`${place}:v1`), folder, options);
  assertPackage(folder, 65_536);
  assert.equal(registry.requests('GET', path).length, 3);
});

test('a connection that is always cut at the same byte is given up', async (t) => {
  const { registry, place, options, digestOf } = await stockedRegistry(t, 65_536);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen, earlier) => {
    if (!path.test(seen.path)) return undefined;
    return earlier === 0 ? { kind: 'cut', after: 100_000 } : { kind: 'cut', after: 0 };
  };
  await assert.rejects(pullModel(parseReference(`${place}:v1`), temporaryFolder(t), options), {
    code: 'HUB_UNREACHABLE',
  });
});

test('a registry that always sends the same first bytes is given up', {
  timeout: 20_000,
}, async (t) => {
  const { registry, place, options, digestOf } = await stockedRegistry(t, 65_536);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen) =>
    path.test(seen.path) ? { kind: 'cut', after: 100_000, ranges: false } : undefined;
  await assert.rejects(pullModel(parseReference(`${place}:v1`), temporaryFolder(t), options), {
    code: 'HUB_UNREACHABLE',
  });
});

test('a damaged partial file is found out and fetched again', async (t) => {
  const { registry, place, digestOf } = await stockedRegistry(t, 65_536);
  const folder = temporaryFolder(t);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen, earlier) => {
    if (!path.test(seen.path)) return undefined;
    return earlier === 0 ? { kind: 'cut', after: 100_000 } : { kind: 'drop' };
  };
  const reference = parseReference(`${place}:v1`);
  await assert.rejects(pullModel(reference, folder, { retry: impatient([], 2) }));
  const staging = join(folder, '.assay-staging');
  const partial = readdirSync(staging).find((name) => name.endsWith('.partial')) ?? 'none';
  const bytes = readFileSync(join(staging, partial));
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  writeFileSync(join(staging, partial), bytes);
  registry.fault = () => undefined;
  await pullModel(reference, folder, { retry: impatient() });
  assertPackage(folder, 65_536);
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

test('500 and 429 that pass are waited for, as long as Retry-After says', async (t) => {
  const { registry, place } = await stockedRegistry(t);
  const pauses: number[] = [];
  const answers: readonly Fault[] = [
    { kind: 'answer', status: 500 },
    { kind: 'answer', status: 429, headers: { 'retry-after': '7' } },
    { kind: 'answer', status: 503, headers: { 'retry-after': 'Sat, 21 Nov 2026 12:01:00 GMT' } },
    { kind: 'drop' },
  ];
  registry.fault = (seen, earlier) => (/manifests/.test(seen.path) ? answers[earlier] : undefined);
  const folder = temporaryFolder(t);
  await pullModel(parseReference(`${place}:v1`), folder, { retry: impatient(pauses) });
  assertPackage(folder);
  assert.deepEqual(pauses, [500, 7000, 60_000, 4000]);
});

test('a registry that wants to be left alone for an hour is left alone', async (t) => {
  const { registry, place, options } = await stockedRegistry(t);
  registry.fault = () => ({ kind: 'answer', status: 429, headers: { 'retry-after': '3600' } });
  await assert.rejects(pullModel(parseReference(`${place}:v1`), temporaryFolder(t), options), {
    code: 'HUB_BUSY',
  });
  assert.equal(registry.seen.length, 1);
});

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

test('a folder that holds anything else is left alone', async (t) => {
  const { place, options, pushed } = await stockedRegistry(t);
  const folder = temporaryFolder(t);
  writeFiles(folder, { 'model.onnx': 'mine' });
  const tagged = parseReference(`${place}:v1`);
  await assert.rejects(pullModel(tagged, folder, options), { code: 'HUB_OCCUPIED' });
  assert.equal(readFileSync(join(folder, 'model.onnx'), 'utf8'), 'mine');
  const own = temporaryFolder(t);
  await pullModel(parseReference(`${place}@${pushed.digest}`), own, options);
  const other = await stockedRegistry(t, 16);
  await assert.rejects(
    pullModel(parseReference(`${other.place}:v1`), own, { ...options, acceptMove: true }),
    { code: 'HUB_OCCUPIED' },
  );
});

test('a file that was altered after a pull is replaced by the next', async (t) => {
  const { place, options } = await stockedRegistry(t);
  const folder = temporaryFolder(t);
  const reference = parseReference(`${place}:v1`);
  await pullModel(reference, folder, options);
  writeFileSync(join(folder, 'weights.bin'), Buffer.alloc(4096));
  await pullModel(reference, folder, options);
  assertPackage(folder);
});

test('a folder that a crash left half placed is completed', async (t) => {
  const { place, options } = await stockedRegistry(t);
  const folder = temporaryFolder(t);
  const reference = parseReference(`${place}:v1`);
  await pullModel(reference, folder, options);
  const record = join(folder, '.assay-hub.json');
  writeFileSync(record, readFileSync(record, 'utf8').replace('"complete"', '"placing"'));
  rmSync(join(folder, 'model.onnx'));
  await pullModel(reference, folder, options);
  assertPackage(folder);
  assert.equal(JSON.parse(readFileSync(record, 'utf8')).state, 'complete');
});

test('a record that was tampered with is refused', async (t) => {
  const { place, options } = await stockedRegistry(t);
  const folder = temporaryFolder(t);
  const reference = parseReference(`${place}:v1`);
  await pullModel(reference, folder, options);
  const record = join(folder, '.assay-hub.json');
  const text = readFileSync(record, 'utf8');
  writeFileSync(record, text.replace('weights.bin', 'weighty.bin'));
  await assert.rejects(pullModel(reference, folder, options), { code: 'HUB_DIGEST' });
  writeFileSync(record, text.replace('"version": 1', '"version": 2'));
  await assert.rejects(pullModel(reference, folder, options), { code: 'HUB_RECORD' });
});

test('a link in the place of a folder is not followed', async (t) => {
  const { place, options } = await stockedRegistry(t);
  const folder = temporaryFolder(t);
  const elsewhere = temporaryFolder(t);
  const reference = parseReference(`${place}:v1`);
  await pullModel(reference, folder, options);
  writeFileSync(join(folder, 'weights.bin'), '');
  rmSync(join(folder, 'assets'), { recursive: true });
  symlinkSync(elsewhere, join(folder, 'assets'));
  await assert.rejects(pullModel(reference, folder, options), { code: 'HUB_FILE' });
  assert.deepEqual(readdirSync(elsewhere), []);
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

test('two pulls to one folder do not meet', async (t) => {
  const { place, options } = await stockedRegistry(t);
  const folder = temporaryFolder(t);
  const reference = parseReference(`${place}:v1`);
  const results = await Promise.allSettled([
    pullModel(reference, folder, options),
    pullModel(reference, folder, options),
  ]);
  const codes = results.map((result) => (result.status === 'rejected' ? result.reason.code : 'ok'));
  assert.deepEqual(codes.sort(), ['HUB_LOCKED', 'ok']);
  assertPackage(folder);
});

test('the lock of a process that ended is taken over', async (t) => {
  const { place, options } = await stockedRegistry(t);
  const folder = temporaryFolder(t);
  writeFileSync(join(folder, '.assay-lock'), String(process.pid));
  await pullModel(parseReference(`${place}:v1`), folder, options);
  assertPackage(folder);
});

test('links and stray files never become part of a package', async (t) => {
  const registry = await forgedRegistry(t);
  const source = temporaryFolder(t);
  writeFiles(source, packageFiles());
  await readPackage(source, 'tiny');
  symlinkSync('/etc/hostname', join(source, 'assets', 'link'));
  await assert.rejects(readPackage(source, 'tiny'), { code: 'HUB_FILE' });
  const second = temporaryFolder(t);
  writeFiles(second, packageFiles());
  linkSync(join(second, 'weights.bin'), join(second, 'assets', 'hard'));
  await assert.rejects(readPackage(second, 'tiny'), { code: 'HUB_FILE' });
  const third = temporaryFolder(t);
  writeFiles(third, { ...packageFiles(), 'stray.bin': 'x' });
  await assert.rejects(readPackage(third, 'tiny'), { code: 'HUB_PACKAGE' });
  const incomplete = temporaryFolder(t);
  writeFiles(incomplete, { 'model.onnx': packageFiles()['model.onnx'] ?? '' });
  await assert.rejects(readPackage(incomplete, 'tiny'), { code: 'HUB_PACKAGE' });
  const single = readPackage(join(incomplete, 'model.onnx'), 'tiny');
  await assert.rejects(single, { code: 'HUB_FILE' });
  const fourth = temporaryFolder(t);
  writeFiles(fourth, { ...packageFiles(), 'originals/m.gguf': 'not GGUF' });
  await assert.rejects(readPackage(fourth, 'tiny'), { code: 'HUB_FORMAT' });
  assert.equal(registry.seen.length, 0);
});

test('a folder that cannot be written ends the pull with a code of its own', async (t) => {
  const { place, options } = await stockedRegistry(t);
  const folder = temporaryFolder(t);
  writeFiles(folder, { file: '' });
  await assert.rejects(pullModel(parseReference(`${place}:v1`), join(folder, 'file'), options), {
    code: 'HUB_FILE',
    message: /E(NOTDIR|EXIST)/,
  });
});
