import assert from 'node:assert/strict';
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { parseConfig } from '../../../src/config.js';
import { expandVersions, statedPolicy } from '../../../src/service/version-policy.js';

const directory = await mkdtemp(join(tmpdir(), 'assay-versions-'));
after(() => rm(directory, { recursive: true }));
for (const version of ['1', '2', '10', 'draft', '0', '01']) {
  await mkdir(join(directory, 'ocr', version), { recursive: true });
}

await writeFile(join(directory, 'ocr', '11'), 'no folder');

async function served(...policies: readonly (object | undefined)[]): Promise<readonly string[]> {
  const models = policies.map((versionPolicy, i) => ({
    name: 'ocr',
    path: 'ocr',
    ...(versionPolicy === undefined ? { version: `v${i}` } : { versionPolicy }),
  }));
  const expanded = await expandVersions(parseConfig({ models }, {}, directory).models);
  return expanded.map(({ version, path }) => `${version} ${path.slice(directory.length + 1)}`);
}

test('versions are the folders that are whole numbers, compared as numbers', async () => {
  assert.deepEqual(await served({ latest: 1 }), ['10 ocr/10/model.onnx']);
  assert.deepEqual(await served({ latest: 2 }), ['2 ocr/2/model.onnx', '10 ocr/10/model.onnx']);
  assert.equal((await served({ all: true })).length, 3);
  assert.deepEqual(await served({ specific: [2, 1] }), [
    '1 ocr/1/model.onnx',
    '2 ocr/2/model.onnx',
  ]);
  assert.deepEqual(await served(undefined), ['v0 ocr']);
});

test('a version may be a link, as in volumes of Kubernetes, and counts although it leads nowhere', async () => {
  const linked = join(directory, 'linked');
  await mkdir(join(linked, '..data', '2'), { recursive: true });
  await mkdir(join(linked, '1'));
  const models = [{ name: 'ocr', path: 'linked', versionPolicy: { latest: 1 } }];
  const latest = async () =>
    (await expandVersions(parseConfig({ models }, {}, directory).models)).map(({ path }) => path);
  for (const [version, target] of [
    ['2', '..data/2'],
    ['3', '..data/3'],
  ] as const) {
    await symlink(target, join(linked, version));
    assert.deepEqual(await latest(), [join(linked, version, 'model.onnx')]);
  }
});

test('a version that is not there is refused, with the model, and those that are there', async () => {
  await assert.rejects(served({ specific: [3, 2, 7] }), {
    code: 'CONFIG_MODEL',
    message: 'ocr: expected the versions 3, 7, there are 1, 2, 10',
  });
});

test('a folder without versions is refused', async () => {
  await mkdir(join(directory, 'empty'));
  const models = [{ name: 'ocr', path: 'empty', versionPolicy: { all: true } }];
  await assert.rejects(expandVersions(parseConfig({ models }, {}, directory).models), {
    code: 'CONFIG_MODEL',
    message: 'ocr: expected a folder <version>/model.onnx',
  });
});

test('no folder is refused, with the model', async () => {
  const models = [{ name: 'ocr', path: 'none', versionPolicy: { all: true } }];
  await assert.rejects(expandVersions(parseConfig({ models }, {}, directory).models), {
    code: 'CONFIG_MODEL',
    message: 'ocr: expected a folder of versions',
  });
});

for (const [versionPolicy, stated] of [
  [{ latest: 2 }, { latest: { num_versions: 2 } }],
  [{ all: true }, { all: {} }],
  [{ specific: [1, 2] }, { specific: { versions: [1, 2] } }],
] as const) {
  test(`what ModelConfig says of the policy ${JSON.stringify(versionPolicy)}`, () => {
    const entry = { name: 'ocr', path: 'ocr', versionPolicy };
    const { models } = parseConfig({ models: [entry] }, {}, directory);
    for (const version of ['1', '10']) {
      assert.deepEqual(statedPolicy(models, { name: 'ocr', version }), stated);
    }
  });
}

test('a version that an entry names is of no policy, though another entry of the name has one', () => {
  const named = { name: 'ocr', path: 'ocr', version: '9' };
  const { models } = parseConfig(
    { models: [{ name: 'ocr', path: 'ocr', versionPolicy: { all: true } }, named] },
    {},
    directory,
  );
  assert.equal(statedPolicy(models, named), undefined);
  assert.deepEqual(statedPolicy(models, { ...named, version: '10' }), { all: {} });
});

for (const policy of [
  { all: false },
  { latest: 1, all: true },
  { newest: 1 },
  {},
  { specific: ['a'] },
]) {
  test(`the policy ${JSON.stringify(policy)} is refused with those that there are`, async () => {
    await assert.rejects(served(policy), {
      code: 'CONFIG_INVALID',
      message: /expected \{latest: N\}, \{all: true\} or \{specific: \[N, …\]\}/,
    });
  });
}

test('two entries may not choose one version of a name', async () => {
  assert.equal((await served({ specific: [1] }, { specific: [2] })).length, 2);
  await assert.rejects(served({ specific: [1] }, { all: true }), { code: 'CONFIG_INVALID' });
});
