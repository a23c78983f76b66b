import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { utf8 } from '../../../attestation/encoding/bytes.js';
import {
  type CborKey,
  type CborValue,
  countItems,
  decodeCbor,
} from '../../../attestation/encoding/cbor.js';
import { sha256 } from '../../../attestation/encoding/hash.js';
import { challengeOf, makeChallenge, reportData } from '../../../attestation/evidence/binding.js';
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
} from '../../../attestation/evidence/manifest.js';
import { editMap, type MapPath, mapsIn } from '../../forge/cbor.js';
import { forgeEnclave, forgeKey } from '../../forge/exchange.js';
import { fill } from '../../forge/fill.js';
import { fc } from '../../property.js';

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });

describe('manifest', () => {
  test('decodes to what was encoded', async () => {
    const key = await forgeKey();
    const dims = fc.option(fc.array(fc.oneof(fc.nat(), fc.string(), fc.constant(null))), {
      nil: null,
    });
    const [model] = forgeEnclave(key).manifest.models;
    assert.ok(model !== undefined);
    const changes = fc.record({
      epoch: digest,
      tlsKey: digest,
      encryptionKey: digest,
      launchPolicy: fc.option(digest, { nil: null }),
      models: fc
        .uniqueArray(fc.string({ minLength: 1 }), { maxLength: 4 })
        .chain((names) => fc.tuple(fc.constant(names), dims))
        .map(([names, shape]) =>
          names
            .sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
            .map((name) => ({
              ...model,
              name,
              inputs: [{ name, type: 'tensor(float)', dims: shape }],
            })),
        ),
    });
    fc.assert(
      fc.property(changes, (change) => {
        const { manifestBytes, manifest } = forgeEnclave(key, change as Partial<Manifest>);
        assert.deepEqual(decodeManifest(manifestBytes), manifest);
        assert.deepEqual(encodeManifest(manifest), manifestBytes);
      }),
    );
  });
});

describe('a manifest is refused', async () => {
  const key = await forgeKey();
  const [model] = forgeEnclave(key).manifest.models;
  assert.ok(model !== undefined);
  const selfTest = { vectors: fill(1), outputs: fill(2), sets: 2, identical: 2 };
  const { manifestBytes } = forgeEnclave(key, {
    models: [{ ...model, selfTest }],
    launchPolicy: fill(3),
  });
  const refused = (path: MapPath, edit: (members: Map<CborKey, CborValue>) => unknown) =>
    assert.throws(() => decodeManifest(editMap(manifestBytes, edit, path)), {
      code: 'MANIFEST_ENCODING',
    });

  for (const [path, map] of mapsIn(decodeCbor(manifestBytes))) {
    test(`with a member more, or one that is absent or of another kind: /${path.join('/')}`, () => {
      refused(path, (members) => members.set('note', 1));
      for (const [name, value] of map) {
        const other = typeof value === 'boolean' ? 1 : true;
        refused(path, (members) => members.delete(name));
        refused(path, (members) => members.set(name, other));
        if (value instanceof Uint8Array) {
          refused(path, (members) => members.set(name, value.subarray(1)));
        }
        if (Array.isArray(value)) refused(path, (members) => members.set(name, [...value, other]));
      }
    });
  }

  const libraries = ['b', 'a'].map(
    (file) =>
      new Map<CborKey, CborValue>([
        ['file', file],
        ['sha256', fill(1)],
      ]),
  );
  const [later = null] = libraries;
  for (const [name, path, changes] of [
    ['a file of less than nothing', ['models', 0, 'files', 0], { size: -1 }],
    ['a dimension below zero', ['models', 0, 'inputs', 0], { dims: [-1] }],
    ['batches of nothing', ['models', 0, 'batching'], { maxBatchSize: 0 }],
    ['a word for invariance that has no meaning', ['models', 0, 'batching'], { invariance: '' }],
    ['batches of whose proof it says nothing', ['models', 0, 'batching'], { maxBatchSize: 2 }],
    ['test vectors without a set', ['models', 0, 'selfTest'], { sets: 0, identical: 0 }],
    ['more identical sets than there are', ['models', 0, 'selfTest'], { identical: 3 }],
    ['libraries that are not in order', ['models', 0, 'profile'], { libraries }],
    ['a library twice', ['models', 0, 'profile'], { libraries: [later, later] }],
  ] as const) {
    test(`with ${name}`, () =>
      refused(path, (members) => {
        for (const [member, value] of Object.entries(changes)) members.set(member, value);
      }));
  }

  test('not with each word for invariance, and the least numbers', () => {
    const batchings = (['proven', 'varies', 'unproven', 'off'] as const).map((invariance) => ({
      invariance,
      maxBatchSize: invariance === 'proven' ? 2 : 1,
    }));
    const models = batchings.map((batching, i) => ({
      ...model,
      version: `${i}`,
      batching,
      inputs: [{ name: 'a', type: 'tensor(float)', dims: [0, 'n', null] }],
      selfTest: { ...selfTest, sets: 1, identical: i % 2 },
    }));
    assert.deepEqual(forgeEnclave(key, { models }).manifest.models, models);
  });
});

describe('the models of a manifest', async () => {
  const key = await forgeKey();
  const [model] = forgeEnclave(key).manifest.models;
  assert.ok(model !== undefined);
  const models = Array.from({ length: 1025 }, (_, i) => ({
    ...model,
    version: `${i}`.padStart(4, '0'),
  }));
  const { manifest: most } = forgeEnclave(key, { models: models.slice(1) });

  test('are at most 1024', () => {
    assert.equal(decodeManifest(encodeManifest(most)).models.length, 1024);
    assert.throws(() => encodeManifest({ ...most, models }), { code: 'MANIFEST_MODELS' });
    const over = editMap(encodeManifest(most), (map) => {
      const listed = map.get('models');
      assert.ok(Array.isArray(listed));
      map.set('models', [...listed, listed[0]]);
    });
    assert.throws(() => decodeManifest(over), { code: 'MANIFEST_MODELS' });
  });
});

describe('a manifest of more than verifiers read is not made', async () => {
  const { manifest } = forgeEnclave(await forgeKey());
  const [model] = manifest.models;
  assert.ok(model !== undefined);
  const withOutput = (name: string, rank: number): Manifest => ({
    ...manifest,
    models: [
      { ...model, outputs: [{ name, type: 'tensor(float)', dims: Array(rank).fill(null) }] },
    ],
  });
  const plain = encodeManifest(withOutput('', 0));

  for (const [unit, room, make] of [
    // The length of a longer list, and of a longer text, takes four bytes more.
    ['items', 131_072 - countItems(plain), (n: number) => withOutput('', n)],
    ['bytes', 4_194_304 - plain.length - 4, (n: number) => withOutput('y'.repeat(n), 0)],
  ] as const) {
    test(unit, () => {
      const most = make(room);
      assert.deepEqual(decodeManifest(encodeManifest(most)), most);
      assert.throws(() => encodeManifest(make(room + 1)), { code: 'MANIFEST_SIZE' });
    });
  }
});

describe('binding', () => {
  const nonces = fc.array(digest, { minLength: 1, maxLength: 70 });

  test('every nonce leads to the one challenge, and no other nonce does', () => {
    fc.assert(
      fc.property(nonces, digest, (batch, stranger) => {
        const positions = makeChallenge(batch);
        for (const [i, position] of positions.entries()) {
          assert.deepEqual(position.root, positions[0]?.root);
          assert.deepEqual(challengeOf(batch[i] ?? new Uint8Array(), position), position.root);
          assert.throws(() => challengeOf(stranger, position), { code: 'BINDING_CHALLENGE' });
        }
      }),
    );
  });

  test('one nonce is a tree of one leaf', () => {
    const [position] = makeChallenge([fill(7)]);
    assert.deepEqual(position?.root, sha256(Uint8Array.of(0), fill(7)));
    assert.deepEqual(position?.path, []);
  });

  test('report data is SHA-512(label, challenge, SHA-256(manifest))', () => {
    const manifest = utf8('any bytes');
    const expected = createHash('sha512')
      .update('assay/report-data/v1\0')
      .update(fill(1))
      .update(createHash('sha256').update(manifest).digest())
      .digest();
    assert.deepEqual(Buffer.from(reportData(fill(1), manifest)), expected);
    assert.throws(() => reportData(new Uint8Array(31), manifest), { code: 'BINDING_CHALLENGE' });
  });
});
