import assert from 'node:assert/strict';
import {
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromUtf8 } from '../../../attestation/encoding/bytes.js';
import { digestOf, hexOf } from '../../../src/hub/digest.js';
import { MAX_MANIFEST } from '../../../src/hub/manifest.js';
import { readPackage } from '../../../src/hub/package-source.js';
import { pullModel } from '../../../src/hub/pull.js';
import { pushModel } from '../../../src/hub/push.js';
import { parseReference } from '../../../src/hub/reference.js';
import { spawnAssay } from '../../forge/cli.js';
import { packageFiles, writeFiles } from '../../forge/model-package.js';
import {
  assertPackage,
  forgedRegistry,
  stockedRegistry,
  temporaryFolder,
  WEIGHTS,
} from './setting.js';

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

test('a folder is taken for that of its own tag alone', async (t) => {
  const { place, options, pushed } = await stockedRegistry(t);
  const source = temporaryFolder(t);
  writeFiles(source, packageFiles(16));
  const other = await readPackage(source, 'tiny');
  const { digest } = await pushModel(other, parseReference(`${place}:v2`), options);
  for (const pulled of [`${place}:v1`, `${place}@${pushed.digest}`]) {
    const folder = temporaryFolder(t);
    await pullModel(parseReference(pulled), folder, options);
    for (const asked of [`${place}:v2`, `${place}@${digest}`]) {
      const pulling = pullModel(parseReference(asked), folder, { ...options, acceptMove: true });
      await assert.rejects(pulling, { code: 'HUB_OCCUPIED' });
    }
    assertPackage(folder);
  }
});

test('a folder is not taken for that of the same tag in another place', async (t) => {
  const [first, second] = [await stockedRegistry(t), await stockedRegistry(t, 16)];
  const folder = temporaryFolder(t);
  await pullModel(parseReference(`${first.place}:v1`), folder, first.options);
  const moved = { ...second.options, acceptMove: true };
  const pulling = pullModel(parseReference(`${second.place}:v1`), folder, moved);
  await assert.rejects(pulling, { code: 'HUB_OCCUPIED' });
  assertPackage(folder);
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

test('a folder that was pulled from a manifest as large as one may be is read again', async (t) => {
  const { registry, place, options, pushed } = await stockedRegistry(t, 8);
  const manifest: { annotations: Record<string, string> } = JSON.parse(fromUtf8(pushed.bytes));
  for (let i = 0; i < 63; i++) manifest.annotations[`note${i}`] = '"'.repeat(32 * 1024);
  const padding = MAX_MANIFEST - JSON.stringify(manifest).length;
  const bytes = Buffer.from(JSON.stringify(manifest) + '\n'.repeat(padding));
  const digest = digestOf(bytes);
  registry.manifests.set(digest, bytes);
  const reference = parseReference(`${place}@${digest}`);
  const folder = temporaryFolder(t);
  assert.equal((await pullModel(reference, folder, options)).digest, digest);
  assert.equal((await pullModel(reference, folder, options)).digest, digest);
});

test('a folder that a crash left with half a record is pulled to', async (t) => {
  const { place, options } = await stockedRegistry(t);
  const folder = temporaryFolder(t);
  writeFiles(folder, { '.assay-hub.json.new': '{"version', '.assay-staging/x': '' });
  await pullModel(parseReference(`${place}:v1`), folder, options);
  assertPackage(folder);
});

test('a link in the place of a new record is not followed', async (t) => {
  const { place, options } = await stockedRegistry(t);
  const [folder, elsewhere] = [temporaryFolder(t), temporaryFolder(t)];
  writeFiles(elsewhere, { victim: 'precious' });
  symlinkSync(join(elsewhere, 'victim'), join(folder, '.assay-hub.json.new'));
  await pullModel(parseReference(`${place}:v1`), folder, options);
  assert.equal(readFileSync(join(elsewhere, 'victim'), 'utf8'), 'precious');
  assertPackage(folder);
});

test('a link in the place of what an earlier pull left is not followed', async (t) => {
  const { place, options, pushed } = await stockedRegistry(t);
  const [folder, elsewhere] = [temporaryFolder(t), temporaryFolder(t)];
  writeFiles(elsewhere, { victim: 'precious' });
  mkdirSync(join(folder, '.assay-staging'));
  for (const [i, { blob }] of pushed.contents.files.entries()) {
    const partial = `${hexOf(blob.digest)}-${i}.partial`;
    symlinkSync(join(elsewhere, 'victim'), join(folder, '.assay-staging', partial));
  }
  await assert.rejects(pullModel(parseReference(`${place}:v1`), folder, options), {
    code: 'HUB_FILE',
    message: /ELOOP/,
  });
  assert.equal(readFileSync(join(elsewhere, 'victim'), 'utf8'), 'precious');
});

test('a disk on which the record has no room can be pulled to when it has', async (t) => {
  const { place, options } = await stockedRegistry(t, 8);
  const folder = temporaryFolder(t);
  const home = temporaryFolder(t);
  const small = ['sh', '-c', 'ulimit -f 2 && exec "$@"', 'sh'];
  const pull = ['hub', 'pull', `${place}:v1`, folder];
  const command = spawnAssay(pull, { HOME: home, DOCKER_CONFIG: home }, small);
  assert.equal(await command.ended, 2);
  assert.match(command.written.err, /^error HUB_FILE: .*EFBIG/m);
  assert.deepEqual(readdirSync(folder), ['.assay-staging']);
  await pullModel(parseReference(`${place}:v1`), folder, options);
  assertPackage(folder, 8);
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

test('a moved tag leaves no folder of the package before it, but what others put there', async (t) => {
  const { place, source, options } = await stockedRegistry(t);
  const tagged = parseReference(`${place}:v1`);
  const push = async () =>
    pushModel(await readPackage(source, 'tiny'), tagged, { ...options, moveTag: true });
  const sets = ['test_data_set_1/input_0.pb', 'test_data_set_1/output_0.pb'];
  writeFiles(source, Object.fromEntries(sets.map((path) => [path, 'vector'])));
  writeFiles(source, { 'assets/deep/er/a': 'a', 'assets/kept/b': 'b' });
  await push();
  const folder = temporaryFolder(t);
  await pullModel(tagged, folder, options);
  writeFiles(folder, { 'assets/kept/mine': 'mine' });
  for (const gone of ['test_data_set_1', 'assets']) rmSync(join(source, gone), { recursive: true });
  await push();
  await pullModel(tagged, folder, { ...options, acceptMove: true });
  const below = (root: string) => readdirSync(root, { recursive: true }).map(String);
  const others = ['.assay-hub.json', 'assets', 'assets/kept', 'assets/kept/mine'];
  assert.deepEqual(below(folder).sort(), [...below(source), ...others].sort());
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

test('the folder of a pull that was killed is pulled to', async (t) => {
  const { registry, place, options } = await stockedRegistry(t);
  const folder = temporaryFolder(t);
  const begun = new Promise<void>((resolve) => {
    registry.fault = ({ path }) => {
      if (!WEIGHTS.test(path)) return undefined;
      resolve();
      return { kind: 'stall', after: 1 };
    };
  });
  const home = temporaryFolder(t);
  const pull = ['hub', 'pull', `${place}:v1`, folder];
  const command = spawnAssay(pull, { HOME: home, DOCKER_CONFIG: home });
  await begun;
  command.kill('SIGKILL');
  await command.ended;
  assert.ok(readdirSync(folder).includes('.assay-lock'));
  registry.fault = () => undefined;
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
  const cases = [
    [join(folder, 'file'), /EEXIST/],
    [join(folder, 'file', 'below'), /ENOTDIR/],
    ['/proc/none/below', /ENOENT/],
  ] as const;
  for (const [path, message] of cases) {
    await assert.rejects(pullModel(parseReference(`${place}:v1`), path, options), {
      code: 'HUB_FILE',
      message,
    });
  }
});
