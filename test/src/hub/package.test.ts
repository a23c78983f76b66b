import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { test } from 'node:test';
import { utf8 } from '../../../attestation/encoding/bytes.js';
import { digestOf } from '../../../src/hub/digest.js';
import { encodeManifest, parseManifest } from '../../../src/hub/manifest.js';
import { mediaTypeOf, type Role } from '../../../src/hub/media-type.js';
import { layerOf, notExecutable, packageOf, parseTolerances } from '../../../src/hub/package.js';
import { checkPackagePath } from '../../../src/hub/package-path.js';

const GRAPH = { 'vnd.assay.model.graph': 'ab'.repeat(32) };
const layer = (path: string, role: Role) =>
  layerOf(path, role, { digest: digestOf(utf8(path)), size: 1 }).blob;
const model = layer('model.onnx', 'model');
const original = layer('originals/m.gguf', 'original');
const parse = (...layers: Parameters<typeof encodeManifest>[0]) =>
  packageOf(parseManifest(encodeManifest(layers, GRAPH)));

test('a manifest says what its package holds', () => {
  const contents = parse(
    model,
    layer('weights/w.bin', 'external'),
    layer('card.md', 'card'),
    layer('tolerances.json', 'tolerances'),
    layer('test_data_set_0/input_0.pb', 'vector'),
    layer('assets/labels.txt', 'asset'),
    original,
    layer('originals/config.json', 'original'),
  );
  assert.deepEqual(
    contents.files.map(({ path, role, format }) => [path, role, format?.name]),
    [
      ['model.onnx', 'model', undefined],
      ['weights/w.bin', 'external', undefined],
      ['card.md', 'card', undefined],
      ['tolerances.json', 'tolerances', undefined],
      ['test_data_set_0/input_0.pb', 'vector', undefined],
      ['assets/labels.txt', 'asset', undefined],
      ['originals/m.gguf', 'original', 'GGUF'],
      ['originals/config.json', 'original', undefined],
    ],
  );
  assert.equal(contents.graph, GRAPH['vnd.assay.model.graph']);
});

/** The package of a manifest that states no graph. */
const without = (...layers: readonly (typeof model)[]) =>
  packageOf(parseManifest(encodeManifest(layers, {})));

const lies: readonly (readonly [string, string, () => unknown])[] = [
  ['two models', 'HUB_PACKAGE', () => parse(model, layer('b.onnx', 'model'))],
  ['a path twice', 'HUB_PACKAGE', () => parse(model, model)],
  [
    'a path twice but for case',
    'HUB_PACKAGE',
    () => parse(model, layer('W', 'external'), layer('w', 'external')),
  ],
  [
    'a file as a folder',
    'HUB_PACKAGE',
    () => parse(model, layer('w', 'external'), layer('w/x', 'external')),
  ],
  [
    'a model that is a folder of originals',
    'HUB_PACKAGE',
    () => parse(layer('originals/model.onnx', 'model')),
  ],
  [
    'external data in the place of vectors',
    'HUB_PACKAGE',
    () => parse(model, layer('test_data_set_0/input_0.pb', 'external')),
  ],
  [
    'external data that is the card',
    'HUB_PACKAGE',
    () => parse(model, layer('card.md', 'external')),
  ],
  [
    'vectors without a model',
    'HUB_PACKAGE',
    () => without(original, layer('test_data_set_0/input_0.pb', 'vector')),
  ],
  [
    'external data without a model',
    'HUB_PACKAGE',
    () => without(original, layer('weights.bin', 'external')),
  ],
  ['a model in a folder', 'HUB_PACKAGE', () => parse(layer('a/model.onnx', 'model'))],
  ['a model by the name of weights', 'HUB_PACKAGE', () => parse(layer('weights.bin', 'model'))],
  [
    'a vector by another name',
    'HUB_PACKAGE',
    () => parse(model, layer('test_data_set_0/input_00.pb', 'vector')),
  ],
  ['a card alone', 'HUB_PACKAGE', () => without(layer('card.md', 'card'))],
  ['a graph without a model', 'HUB_PACKAGE', () => parse(original)],
  ['a model without a graph', 'HUB_PACKAGE', () => without(model)],
  [
    'a graph that is no digest',
    'HUB_PACKAGE',
    () =>
      packageOf(
        parseManifest(encodeManifest([model], { 'vnd.assay.model.graph': 'AB'.repeat(32) })),
      ),
  ],
  ['a layer without a path', 'HUB_PACKAGE', () => parse({ ...model, annotations: {} })],
  [
    'an unknown media type',
    'HUB_MEDIA_TYPE',
    () => parse(model, { ...original, mediaType: 'application/x-sh' }),
  ],
  [
    'a format under the name of another',
    'HUB_PACKAGE',
    () => parse({ ...original, mediaType: mediaTypeOf('original', 'm.h5') }),
  ],
  ['an escaping path', 'HUB_PATH', () => parse(model, layer('../weights.bin', 'external'))],
];
for (const [name, code, act] of lies)
  test(`refuses ${name}`, () => void assert.throws(act, { code }));

for (const path of [
  '',
  '/etc/passwd',
  '..',
  'a/../b',
  './a',
  'a//b',
  'a/',
  '.hidden',
  'a/.git/config',
  'a\\b',
  'C:a',
  'a\0b',
  'a\nb',
  '-o',
  "a'b",
  'a$b',
  'a;b',
  'ａ',
  'con.',
  'a ',
  'a/'.repeat(9),
  'x'.repeat(300),
]) {
  test(`refuses the path ${JSON.stringify(path.slice(0, 20))}`, () => {
    assert.throws(() => checkPackagePath(path), { code: 'HUB_PATH' });
  });
}

const manifestText = Buffer.from(encodeManifest([model], GRAPH)).toString();
const broken: readonly (readonly [string, string, string])[] = [
  ['no JSON', 'HUB_MANIFEST', '{'],
  ['a list', 'HUB_MANIFEST', '[]'],
  ['a repeated member', 'HUB_MANIFEST', manifestText.replace('{', '{"schemaVersion":2,')],
  [
    'another schema version',
    'HUB_MANIFEST',
    manifestText.replace('"schemaVersion":2', '"schemaVersion":1'),
  ],
  ['a digest of another algorithm', 'HUB_MANIFEST', manifestText.replaceAll('sha256:', 'sha512:')],
  ['a negative size', 'HUB_MANIFEST', manifestText.replace('"size":1', '"size":-1')],
  [
    'a size that no number holds',
    'HUB_MANIFEST',
    manifestText.replace('"size":1', '"size":9007199254740993'),
  ],
  [
    'no layers',
    'HUB_MANIFEST',
    manifestText.replace(/"layers":\[.*\],"annotations/, '"layers":[],"annotations'),
  ],
  [
    'too many layers',
    'HUB_MANIFEST',
    Buffer.from(
      encodeManifest(
        Array.from({ length: 4097 }, () => model),
        GRAPH,
      ),
    ).toString(),
  ],
  [
    'an image',
    'HUB_NOT_A_MODEL',
    manifestText.replace('application/vnd.assay.model.v1', 'application/x'),
  ],
  [
    'an index',
    'HUB_NOT_A_MODEL',
    '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
  ],
];
for (const [name, code, json] of broken) {
  test(`refuses a manifest with ${name}`, () => {
    assert.throws(() => parseManifest(utf8(json)), { code });
  });
}

test('members of a manifest that Assay does not use are ignored', () => {
  const extended = manifestText
    .replace('{', '{"subject":{"digest":"sha512:0"},"new":1,')
    .replaceAll('"size":', '"urls":["https://elsewhere.invalid/"],"data":"e30=","size":');
  assert.deepEqual(parseManifest(utf8(extended)), parseManifest(utf8(manifestText)));
});

test('tolerances are strict', () => {
  const parsed = (members: string) => parseTolerances(utf8(`{"version":1${members}}`));
  const outputsNamed = (name: string) => `,"outputs":{"${name}":{}}`;
  const noted = (note: string) => `,"baseline":{"latency":1,"note":"${note}"}`;
  const good = { version: 1, default: { absolute: 1e-6, topK: 5 }, outputs: { y: { ulp: 4 } } };
  assert.deepEqual(parseTolerances(utf8(JSON.stringify(good))), good);
  for (const taken of [
    '',
    ',"default":{"absolute":0,"relative":0,"ulp":0,"cosine":-1,"topK":1024}',
    outputsNamed('n'.repeat(1024)),
    ',"baseline":{"latency":0.5}',
    noted('n'.repeat(1024)),
  ]) {
    assert.doesNotThrow(() => parsed(taken));
  }
  for (const bad of [
    ',"default":{"abs":1}',
    ',"default":{"absolute":-1}',
    ',"default":{"absolute":1e999}',
    ',"default":{"cosine":2}',
    ',"default":{"cosine":-1.5}',
    ',"default":{"topK":0}',
    ',"default":{"topK":1025}',
    outputsNamed(''),
    outputsNamed('n'.repeat(1025)),
    ',"baseline":{"latency":0}',
    noted('n'.repeat(1025)),
    ',"version":1',
  ]) {
    assert.throws(() => parsed(bad), { code: 'HUB_TOLERANCES' });
  }
  for (const bad of ['{}', '{"version":2}']) {
    assert.throws(() => parseTolerances(utf8(bad)), { code: 'HUB_TOLERANCES' });
  }
});

test('every original that is a model names the command that converts it', () => {
  const paths = [
    'm.safetensors',
    'm.gguf',
    'm.pt2',
    'm.pth',
    'm.h5',
    'm.keras',
    'saved_model.pb',
    'm.tflite',
  ];
  const contents = parse(
    model,
    ...paths.map((path) => layer(`originals/${path}`, 'original')),
    layer('originals/config.json', 'original'),
    layer('originals/m-2.safetensors', 'original'),
  );
  const found = notExecutable(contents);
  assert.deepEqual(
    found.map(({ path }) => path),
    paths.map((path) => `originals/${path}`),
  );
  for (const { path, conversion } of found) {
    assert.match(conversion, /onnx/);
    assert.equal(spawnSync('sh', ['-n', '-c', conversion]).status, 0, conversion);
    const base = path.slice('originals/'.length);
    assert.ok(
      conversion.includes(path) || conversion.includes("'originals'"),
      `${base}: ${conversion}`,
    );
  }
});
