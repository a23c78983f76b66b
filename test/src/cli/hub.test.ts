import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type TestContext, test } from 'node:test';
import { run } from '../../../src/cli/program.js';
import { assay as inProcess } from '../../forge/cli.js';
import { homeless } from '../../forge/homeless.js';
import { packageFiles, writeFiles } from '../../forge/model-package.js';
import { forgedRegistry, temporaryFolder } from '../hub/setting.js';

/** Runs commands as one person on one machine would. */
async function setting(t: TestContext) {
  const home = temporaryFolder(t);
  const assay = async (args: readonly string[], isTTY = false) => {
    let [out, err] = ['', ''];
    const code = await run(args, {
      stdin: Readable.from([]),
      stdout: { write: (text) => (out += text) },
      stderr: { write: (text) => (err += text), isTTY },
      env: { XDG_CACHE_HOME: join(home, 'cache'), DOCKER_CONFIG: home, NO_COLOR: '1' },
      now: () => new Date('2026-11-21T12:00:00Z'),
    });
    return { code, out, err };
  };
  const source = temporaryFolder(t);
  writeFiles(source, { ...packageFiles(), 'originals/m.gguf': 'GGUF....' });
  const registry = await forgedRegistry(t);
  return { home, assay, source, registry, place: `oci://${registry.host}/models/tiny` };
}

test('push, list, show and pull agree', async (t) => {
  const { assay, source, place } = await setting(t);
  const pushed = await assay(['hub', 'push', source, `${place}:v1`, '--title', 'Tiny', '--json']);
  assert.equal(pushed.code, 0, pushed.err);
  const { digest, graph, executable } = JSON.parse(pushed.out);
  assert.match(digest, /^sha256:[0-9a-f]{64}$/);
  assert.equal(executable, true);

  const listed = await assay(['hub', 'list', place, '--json']);
  assert.deepEqual(JSON.parse(listed.out).models[0].digest, digest);
  const repositories = await assay(['hub', 'list', place.replace('/models/tiny', '')]);
  assert.ok(repositories.out.includes(place));

  const shown = await assay(['hub', 'show', `${place}:v1`]);
  assert.equal(shown.code, 0);
  for (const text of [
    digest,
    graph,
    'Tiny',
    'weights.bin',
    'GGUF) is not executable',
    'optimum-cli',
  ]) {
    assert.ok(shown.out.includes(text), text);
  }

  const { card, vectors, tolerances } = JSON.parse(
    (await assay(['hub', 'show', `${place}:v1`, '--json'])).out,
  );
  assert.equal(card, '# Tiny\n\nAdds.\n');
  assert.deepEqual(vectors, { sets: 1, bytes: 128 });
  assert.deepEqual(tolerances, { version: 1, default: { absolute: 1e-6 } });
  assert.match(shown.out, /Tolerances\n {2}other outputs {2}absolute 0\.000001\n/);
  assert.match(shown.out, /Card\n {2}# Tiny\n {2}\n {2}Adds\.\n/);

  const folder = temporaryFolder(t);
  const pulled = await assay(['hub', 'pull', `${place}@${digest}`, folder], true);
  assert.equal(pulled.code, 0);
  assert.match(pulled.err, /pulling: .* of .* KiB/);
  assert.deepEqual(
    readFileSync(join(folder, 'weights.bin')),
    Buffer.from(packageFiles()['weights.bin'] ?? ''),
  );
});

test('a card that is not the one of its digest is not shown, nor can one write to the terminal', async (t) => {
  const { assay, source, registry, place } = await setting(t);
  writeFileSync(join(source, 'card.md'), 'Hello \u001b[31m');
  const { out } = await assay(['hub', 'push', source, `${place}:v1`, '--json']);
  const shown = await assay(['hub', 'show', `${place}:v1`]);
  assert.match(shown.out, /Hello \\u\{1b\}\[31m/);
  const files: { path: string; digest: string }[] = JSON.parse(out).files;
  const card = files.find(({ path }) => path === 'card.md')?.digest ?? 'none';
  registry.fault = ({ path }) => (path.endsWith(card) ? { kind: 'corrupt' } : undefined);
  const { code, err } = await assay(['hub', 'show', `${place}:v1`, '--json']);
  assert.equal(code, 1);
  assert.equal(JSON.parse(err).error.code, 'HUB_DIGEST');
});

test('a model in another format is pushed, and listed as not executable', async (t) => {
  const { assay, source, place } = await setting(t);
  const file = join(source, 'originals', 'm.gguf');
  assert.equal((await assay(['hub', 'push', file, `${place}:gguf`])).code, 0);
  const listed = await assay(['hub', 'list', place]);
  assert.match(listed.out, /gguf {2}sha256:[0-9a-f]{64} {2}8 B {2}not executable: GGUF/);
  assert.match(listed.out, /To convert\n {2}gguf originals\/m\.gguf {2}pip install/);
  const { models } = JSON.parse((await assay(['hub', 'list', place, '--json'])).out);
  const shown = JSON.parse((await assay(['hub', 'show', `${place}:gguf`, '--json'])).out);
  assert.equal(models[0].notExecutable[0].path, 'originals/m.gguf');
  assert.deepEqual(models[0].notExecutable, shown.notExecutable);
});

test('what is no model is listed with the reason', async (t) => {
  const { assay, registry, place } = await setting(t);
  registry.manifests.set('image', Buffer.from('{"schemaVersion":2,"config":{"mediaType":"x"}}'));
  registry.tags.set('latest', 'image');
  const listed = await assay(['hub', 'list', place]);
  assert.equal(listed.code, 0);
  assert.match(
    listed.out,
    /latest {2}expected an artifact of type application\/vnd\.assay\.model\.v1/,
  );
});

test('a folder is a hub to every command', async (t) => {
  const { assay, source } = await setting(t);
  const place = `ocidir://${join(temporaryFolder(t), 'tiny')}`;
  assert.equal((await assay(['hub', 'push', source, `${place}:v1`])).code, 0);
  assert.equal((await assay(['hub', 'pull', `${place}:v1`, temporaryFolder(t)])).code, 0);
  const parent = place.slice(0, place.lastIndexOf('/'));
  assert.ok((await assay(['hub', 'list', parent])).out.includes(place));
});

test('a folder without repositories is said to have none', async (t) => {
  const { assay } = await setting(t);
  const listed = await assay(['hub', 'list', `ocidir://${temporaryFolder(t)}`]);
  assert.deepEqual([listed.code, listed.out], [0, 'no repositories\n']);
});

const failures: readonly (readonly [
  string,
  number,
  string,
  (place: string) => readonly string[],
])[] = [
  ['a reference that is none', 2, 'HUB_REFERENCE', () => ['show', 'tiny:v1']],
  ['a list of a tag', 2, 'HUB_REFERENCE', (place) => ['list', `${place}:v1`]],
  ['a pull without tag', 2, 'HUB_REFERENCE', (place) => ['pull', place, 'x']],
  ['a source that is not there', 2, 'HUB_FILE', (place) => ['push', '/nowhere', `${place}:v1`]],
  ['a tag that is not there', 1, 'HUB_NOT_FOUND', (place) => ['show', `${place}:v1`]],
  ['a folder that is no hub', 2, 'HUB_FILE', () => ['list', 'ocidir:///nowhere/x']],
];
for (const [name, code, error, args] of failures) {
  test(`${name} ends with ${code}`, async (t) => {
    const { assay, place } = await setting(t);
    const ended = await assay(['hub', ...args(place), '--json']);
    assert.equal(ended.code, code, ended.err);
    assert.equal(JSON.parse(ended.err).error.code, error);
  });
}

for (const command of ['show', 'list']) {
  test(`a registry that wants to be left alone ends ${command} with 4`, async (t) => {
    const { assay, source, registry, place } = await setting(t);
    assert.equal((await assay(['hub', 'push', source, `${place}:v1`])).code, 0);
    registry.fault = ({ path }) =>
      /manifests/.test(path)
        ? { kind: 'answer', status: 429, headers: { 'retry-after': '300' } }
        : undefined;
    const model = command === 'show' ? `${place}:v1` : place;
    const ended = await assay(['hub', command, model, '--json']);
    assert.equal(ended.code, 4);
    assert.equal(JSON.parse(ended.err).error.code, 'HUB_BUSY');
  });
}

test('a list ends with what is wrong with the registry, and not with a model', async (t) => {
  const { assay, source, registry, place } = await setting(t);
  assert.equal((await assay(['hub', 'push', source, `${place}:v1`])).code, 0);
  const answers = { '299': 'HUB_PROTOCOL', '307': 'HUB_TRANSPORT' };
  for (const [status, code] of Object.entries(answers)) {
    const headers = { location: 'http://elsewhere.invalid/' };
    registry.fault = ({ path }) =>
      /manifests/.test(path) ? { kind: 'answer', status: Number(status), headers } : undefined;
    const ended = await assay(['hub', 'list', place, '--json']);
    assert.equal(ended.code, 1);
    assert.equal(JSON.parse(ended.err).error.code, code);
  }
});

test('credentials of Docker’s configuration are used, and never shown', async (t) => {
  const { home, assay, source, registry, place } = await setting(t);
  const auth = Buffer.from('ann:correct horse').toString('base64');
  registry.fault = ({ authorization }) =>
    authorization === `Basic ${auth}`
      ? undefined
      : { kind: 'answer', status: 401, headers: { 'www-authenticate': 'Basic realm="x"' } };
  const write = (content: unknown): void =>
    writeFileSync(join(home, 'config.json'), JSON.stringify(content));
  write({ auths: { [registry.host]: { auth } } });
  assert.equal((await assay(['hub', 'push', source, `${place}:v1`])).code, 0);
  const wrong = Buffer.from('ann:wrong-secret').toString('base64');
  write({ auths: { [registry.host]: { auth: wrong } } });
  const ended = await assay(['hub', 'show', `${place}:v1`]);
  assert.equal(ended.code, 1);
  for (const secret of ['wrong-secret', wrong])
    assert.ok(!`${ended.out}${ended.err}`.includes(secret));
});

test('a user without a home folder is told so where a registry asks for credentials, not before', async (t) => {
  homeless(t);
  const { source, registry, place } = await setting(t);
  const [hub, folder] = [join(temporaryFolder(t), 'hub'), join(temporaryFolder(t), 'model')];
  for (const args of [
    ['push', source, `ocidir://${hub}:v1`],
    ['list', `ocidir://${hub}`],
    ['pull', `ocidir://${hub}:v1`, folder],
    ['push', source, `${place}:v1`],
  ]) {
    const { code, err } = await inProcess(['hub', ...args]);
    assert.equal(code, 0, err);
  }
  registry.fault = () => ({
    kind: 'answer',
    status: 401,
    headers: { 'www-authenticate': 'Basic realm="x"' },
  });
  const { code, err } = await inProcess(['hub', 'show', `${place}:v1`, '--json']);
  assert.deepEqual([code, JSON.parse(err).error.code], [2, 'CONFIG_ENVIRONMENT']);
});
