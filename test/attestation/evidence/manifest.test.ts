import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { utf8 } from '../../../attestation/encoding/bytes.js';
import { countItems } from '../../../attestation/encoding/cbor.js';
import { sha256 } from '../../../attestation/encoding/hash.js';
import { challengeOf, makeChallenge, reportData } from '../../../attestation/evidence/binding.js';
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
} from '../../../attestation/evidence/manifest.js';
import { editMap } from '../../forge/cbor.js';
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
