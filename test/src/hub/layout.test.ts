import assert from 'node:assert/strict';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { hexOf } from '../../../src/hub/digest.js';
import { Layout, listLayouts } from '../../../src/hub/layout.js';
import { readPackage } from '../../../src/hub/package-source.js';
import { pullModel } from '../../../src/hub/pull.js';
import { pushModel } from '../../../src/hub/push.js';
import { parseReference } from '../../../src/hub/reference.js';
import { packageFiles, writeFiles } from '../../forge/model-package.js';
import { impatient, temporaryFolder } from './setting.js';

const options = { retry: impatient() };

async function setting(t: TestContext) {
  const source = temporaryFolder(t);
  writeFiles(source, packageFiles());
  const root = temporaryFolder(t);
  const path = join(root, 'tiny');
  const reference = parseReference(`ocidir://${path}:v1`);
  const pushed = await pushModel(await readPackage(source, 'tiny'), reference, options);
  const blob = (name: string): string => {
    const digest = pushed.contents.files.find((file) => file.path === name)?.blob.digest;
    return join(path, 'blobs', 'sha256', digest === undefined ? 'none' : hexOf(digest));
  };
  const manifest = join(path, 'blobs', 'sha256', hexOf(pushed.digest));
  return { root, path, reference, pushed, blob, manifest };
}

test('a push to where no folder can be made ends with a code of its own', async (t) => {
  const source = temporaryFolder(t);
  writeFiles(source, packageFiles());
  const pushing = pushModel(
    await readPackage(source, 'tiny'),
    parseReference('ocidir:///proc/none/hub:v1'),
    options,
  );
  await assert.rejects(pushing, { code: 'HUB_FILE', message: /ENOENT/ });
});

test('a folder is a hub: an OCI image layout', async (t) => {
  const { root, path, reference, pushed } = await setting(t);
  assert.equal(readFileSync(join(path, 'oci-layout'), 'utf8'), '{"imageLayoutVersion":"1.0.0"}');
  const index = JSON.parse(readFileSync(join(path, 'index.json'), 'utf8'));
  assert.deepEqual(index, {
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [
      {
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        artifactType: 'application/vnd.assay.model.v1',
        digest: pushed.digest,
        size: pushed.bytes.length,
        annotations: { 'org.opencontainers.image.ref.name': 'v1' },
      },
    ],
  });
  assert.deepEqual(readdirSync(path).sort(), ['blobs', 'index.json', 'oci-layout']);
  assert.deepEqual(readdirSync(join(path, 'blobs')), ['sha256']);
  const folder = temporaryFolder(t);
  await pullModel(reference, folder, options);
  for (const [name, content] of Object.entries(packageFiles())) {
    assert.deepEqual(readFileSync(join(folder, name)), Buffer.from(content));
  }
  mkdirSync(join(root, 'other'));
  assert.deepEqual(await listLayouts(root), ['tiny']);
  assert.deepEqual(await listLayouts(path), ['.']);
});

test('a push by digest alone forgets no tag, and lists a model once', async (t) => {
  const { root, path, pushed } = await setting(t);
  const source = temporaryFolder(t);
  writeFiles(source, packageFiles());
  const model = await readPackage(source, 'tiny');
  await pushModel(model, parseReference(`ocidir://${path}:v2`), options);
  await pushModel(model, parseReference(`ocidir://${path}@${pushed.digest}`), options);
  await pushModel(model, parseReference(`ocidir://${path}`), options);
  assert.deepEqual(await new Layout({ kind: 'directory', path }).tags(), ['v1', 'v2']);
  const fresh = join(root, 'fresh');
  for (let i = 0; i < 2; i++) {
    await pushModel(model, parseReference(`ocidir://${fresh}`), options);
    const { manifests } = JSON.parse(readFileSync(join(fresh, 'index.json'), 'utf8'));
    assert.deepEqual(
      manifests.map(({ digest }: { digest: string }) => digest),
      [pushed.digest],
    );
  }
});

test('tags of a folder are added and moved', async (t) => {
  const { path, pushed } = await setting(t);
  const source = temporaryFolder(t);
  writeFiles(source, packageFiles(16));
  const other = await readPackage(source, 'tiny');
  const at = (suffix: string) => parseReference(`ocidir://${path}${suffix}`);
  const layout = () => {
    const reference = at('');
    return reference.kind === 'directory' ? new Layout(reference) : assert.fail();
  };
  await pushModel(other, at(':v2'), options);
  assert.deepEqual(await layout().tags(), ['v1', 'v2']);
  await assert.rejects(pushModel(other, at(':v1'), options), { code: 'HUB_TAG_TAKEN' });
  const moved = await pushModel(other, at(':v1'), { ...options, moveTag: true });
  const folder = temporaryFolder(t);
  assert.equal((await pullModel(at(':v1'), folder, options)).digest, moved.digest);
  const pinned = await pullModel(at(`@${pushed.digest}`), temporaryFolder(t), options);
  assert.equal(pinned.digest, pushed.digest);
});

type Spoil = (made: Awaited<ReturnType<typeof setting>>) => void;

/** Layouts whose index must not be taken for a new one's. */
const unmarked: readonly (readonly [string, Spoil])[] = [
  ['no mark', ({ path }) => rmSync(join(path, 'oci-layout'))],
  [
    'a mark that is a link',
    ({ path }) => {
      renameSync(join(path, 'oci-layout'), join(path, 'elsewhere'));
      symlinkSync('elsewhere', join(path, 'oci-layout'));
    },
  ],
  [
    'a mark that is a folder',
    ({ path }) => {
      rmSync(join(path, 'oci-layout'));
      mkdirSync(join(path, 'oci-layout'));
    },
  ],
];
for (const [name, spoil] of unmarked) {
  test(`a push to a folder with ${name} forgets no tag`, async (t) => {
    const made = await setting(t);
    spoil(made);
    const before = readFileSync(join(made.path, 'index.json'));
    const source = temporaryFolder(t);
    writeFiles(source, packageFiles(16));
    const next = parseReference(`ocidir://${made.path}:v2`);
    for (const moveTag of [false, true]) {
      const push = pushModel(await readPackage(source, 'tiny'), next, { ...options, moveTag });
      await assert.rejects(push, { code: 'HUB_LAYOUT' });
    }
    await assert.rejects(listLayouts(made.path), { code: 'HUB_LAYOUT' });
    assert.deepEqual(readFileSync(join(made.path, 'index.json')), before);
  });
}

test('a first push that ended before the index was there is repeated', async (t) => {
  const { path, reference, pushed } = await setting(t);
  rmSync(join(path, 'index.json'));
  const source = temporaryFolder(t);
  writeFiles(source, packageFiles());
  await pushModel(await readPackage(source, 'tiny'), reference, options);
  const pulled = await pullModel(reference, temporaryFolder(t), options);
  assert.equal(pulled.digest, pushed.digest);
});

const faults: readonly (readonly [string, string, Spoil])[] = [
  [
    'a corrupted blob',
    'HUB_DIGEST',
    ({ blob }) => writeFileSync(blob('weights.bin'), Buffer.alloc(4096)),
  ],
  [
    'a longer blob',
    'HUB_SIZE',
    ({ blob }) => writeFileSync(blob('weights.bin'), Buffer.alloc(4097)),
  ],
  [
    'a shorter blob',
    'HUB_SIZE',
    ({ blob }) => writeFileSync(blob('weights.bin'), Buffer.alloc(4095)),
  ],
  ['a missing blob', 'HUB_FILE', ({ blob }) => rmSync(blob('weights.bin'))],
  [
    'a blob that is a link',
    'HUB_FILE',
    ({ blob }) => {
      rmSync(blob('weights.bin'));
      symlinkSync('/etc/hostname', blob('weights.bin'));
    },
  ],
  [
    'a manifest in which one letter is another',
    'HUB_DIGEST',
    ({ manifest }) =>
      writeFileSync(manifest, readFileSync(manifest, 'utf8').replace('"tiny"', '"tidy"')),
  ],
  ['a broken index', 'HUB_LAYOUT', ({ path }) => writeFileSync(join(path, 'index.json'), '{}')],
  ['no index', 'HUB_NOT_FOUND', ({ path }) => rmSync(join(path, 'index.json'))],
  ...unmarked.map(([name, spoil]) => [name, 'HUB_LAYOUT', spoil] as const),
];
for (const [name, code, spoil] of faults) {
  test(`a folder with ${name} serves nothing`, async (t) => {
    const made = await setting(t);
    spoil(made);
    const folder = temporaryFolder(t);
    await assert.rejects(pullModel(made.reference, folder, options), { code });
    assert.deepEqual(
      readdirSync(folder).filter((name) => name !== '.assay-staging'),
      [],
    );
  });
}

test('an index with another digest is told what a digest is', async (t) => {
  const { path, reference } = await setting(t);
  const index = JSON.parse(readFileSync(join(path, 'index.json'), 'utf8'));
  index.manifests[0].digest = `sha512:${'0'.repeat(128)}`;
  writeFileSync(join(path, 'index.json'), JSON.stringify(index));
  await assert.rejects(pullModel(reference, temporaryFolder(t), options), {
    code: 'HUB_LAYOUT',
    message: /expected sha256: and 64 lower-case hexadecimal digits .* at manifests\[0\]\.digest$/,
  });
});

test('a push to a folder repairs what is corrupted there', async (t) => {
  const { reference, blob, pushed } = await setting(t);
  writeFileSync(blob('weights.bin'), Buffer.alloc(4096));
  const source = temporaryFolder(t);
  writeFiles(source, packageFiles());
  const again = await pushModel(await readPackage(source, 'tiny'), reference, options);
  assert.deepEqual(again.uploaded, ['weights.bin']);
  assert.equal(again.digest, pushed.digest);
  await pullModel(reference, temporaryFolder(t), options);
});

test('what pushes that were killed left in a folder is removed by a later one, once it is old', async (t) => {
  const { path, reference, blob } = await setting(t);
  rmSync(blob('weights.bin'));
  const id = '01234567-89ab-cdef-0123-456789abcdef';
  const now = Date.now() / 1000;
  const names = [`.${'0'.repeat(64)}.${id}`, `.${'1'.repeat(64)}.${id}`, `.${id}`];
  for (const [i, age] of [3600, 60, 3600].entries()) {
    const draft = join(path, 'blobs', names[i] ?? '');
    writeFileSync(draft, 'a part');
    utimesSync(draft, now - age, now - age);
  }
  const source = temporaryFolder(t);
  writeFiles(source, packageFiles());
  await pushModel(await readPackage(source, 'tiny'), reference, options);
  assert.deepEqual(readdirSync(join(path, 'blobs')), [...names.slice(1), 'sha256'].sort());
});

test('a file that changed since its digest was taken gets no name in a folder', async (t) => {
  const { path, reference, pushed, blob } = await setting(t);
  assert.ok(reference.kind === 'directory');
  const described = pushed.contents.files.find((file) => file.path === 'weights.bin')?.blob;
  assert.ok(described !== undefined);
  rmSync(blob('weights.bin'));
  const source = temporaryFolder(t);
  writeFiles(source, { 'weights.bin': new Uint8Array(described.size) });
  const writing = new Layout(reference).writeBlob(described, join(source, 'weights.bin'), () => {});
  await assert.rejects(writing, { code: 'HUB_CHANGED' });
  assert.equal(existsSync(blob('weights.bin')), false);
  assert.deepEqual(readdirSync(join(path, 'blobs')), ['sha256']);
});

test('a tag of a folder whose manifest is corrupted is mended by a push that may move it', async (t) => {
  const { reference, manifest, pushed } = await setting(t);
  writeFileSync(manifest, '{}');
  const source = temporaryFolder(t);
  writeFiles(source, packageFiles());
  const contents = await readPackage(source, 'tiny');
  await assert.rejects(pushModel(contents, reference, options), { code: 'HUB_DIGEST' });
  await pushModel(contents, reference, { ...options, moveTag: true });
  const pulled = await pullModel(reference, temporaryFolder(t), options);
  assert.equal(pulled.digest, pushed.digest);
});

for (const name of ['index.json', 'oci-layout', 'manifest']) {
  test(`a push to a folder follows no link in the place of a new ${name}`, async (t) => {
    const { root, path, reference, manifest } = await setting(t);
    const written = name === 'manifest' ? manifest : join(path, name);
    const before = readFileSync(written);
    for (const file of ['index.json', 'oci-layout']) rmSync(join(path, file));
    writeFileSync(join(root, 'victim'), 'precious');
    symlinkSync(join(root, 'victim'), `${written}.new`);
    const source = temporaryFolder(t);
    writeFiles(source, packageFiles());
    await pushModel(await readPackage(source, 'tiny'), reference, options);
    assert.equal(readFileSync(join(root, 'victim'), 'utf8'), 'precious');
    assert.ok(lstatSync(written).isFile());
    assert.deepEqual(readFileSync(written), before);
  });
}
