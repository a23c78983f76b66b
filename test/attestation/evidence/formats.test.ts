import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { concat, toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import { sha256 } from '../../../attestation/encoding/hash.js';
import { challengeOf, makeChallenge, reportData } from '../../../attestation/evidence/binding.js';
import {
  decodeLaunchPolicy,
  encodeLaunchPolicy,
  launchPolicyDigest,
  parseLaunchPolicy,
} from '../../../attestation/evidence/launch-policy.js';
import {
  decodeManifest,
  encodeManifest,
  type Manifest,
} from '../../../attestation/evidence/manifest.js';
import { type CommittedTensor, commitTensors } from '../../../attestation/receipt/commitment.js';
import { forgeEnclave, forgeKey } from '../../forge/exchange.js';

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
const fill = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

describe('launch policy', () => {
  const hex = digest.map(toHex);
  const file = fc.record({
    version: fc.constant(1),
    models: fc.uniqueArray(
      fc.oneof(fc.record({ graph: hex }), fc.record({ graph: hex, execution: hex })),
      { minLength: 1, maxLength: 8, selector: (model) => JSON.stringify(model) },
    ),
    development: fc.boolean(),
    plaintext: fc.boolean(),
  });

  test('has one canonical form whatever the order of its models', () => {
    fc.assert(
      fc.property(file, (value) => {
        const canonical = encodeLaunchPolicy(parseLaunchPolicy(value));
        const reversed = { ...value, models: [...value.models].reverse() };
        assert.deepEqual(encodeLaunchPolicy(parseLaunchPolicy(reversed)), canonical);
        assert.deepEqual(encodeLaunchPolicy(decodeLaunchPolicy(canonical)), canonical);
      }),
    );
  });

  test('digests are SHA-256 and SHA-384 under the label', () => {
    const canonical = encodeLaunchPolicy(
      parseLaunchPolicy({ version: 1, models: [{ graph: 'ab'.repeat(32) }] }),
    );
    const of = (name: string): string =>
      createHash(name).update('assay/launch-policy/v1\0').update(canonical).digest('hex');
    const { hostData, mrConfigId } = launchPolicyDigest(canonical);
    assert.equal(toHex(hostData), of('sha256'));
    assert.equal(toHex(mrConfigId), of('sha384'));
  });

  const graph = 'ab'.repeat(32);
  const refused: readonly (readonly [string, unknown])[] = [
    ['no version', { models: [{ graph }] }],
    ['another version', { version: 2, models: [{ graph }] }],
    ['no models', { version: 1, models: [] }],
    ['a short digest', { version: 1, models: [{ graph: 'ab' }] }],
    ['upper case', { version: 1, models: [{ graph: graph.toUpperCase() }] }],
    ['a model twice', { version: 1, models: [{ graph }, { graph }] }],
    ['an unknown member', { version: 1, models: [{ graph }], debug: true }],
    ['an unknown member of a model', { version: 1, models: [{ graph, name: 'm' }] }],
  ];
  for (const [name, value] of refused) {
    test(`a file with ${name} is refused`, () => {
      assert.throws(() => parseLaunchPolicy(value), { code: 'LAUNCH_POLICY_FILE' });
    });
  }
});

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

describe('binding', () => {
  const nonces = fc.array(digest, { minLength: 1, maxLength: 40 });

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

describe('commitments', () => {
  const tensor = fc.record({
    name: fc.string(),
    datatype: fc.constantFrom('FP32', 'INT64', 'BYTES'),
    shape: fc.array(fc.nat(), { maxLength: 4 }),
    data: fc.uint8Array({ maxLength: 64 }),
  });
  const node = (key: Uint8Array) => createHmac('sha256', key);

  test('the portable and the native HMAC agree', () => {
    fc.assert(
      fc.property(fc.array(tensor, { maxLength: 4 }), digest, (tensors, salt) => {
        assert.deepEqual(
          commitTensors('request', tensors, salt),
          commitTensors('request', tensors, salt, node),
        );
      }),
    );
  });

  test('the framing is the one that is documented', () => {
    const one: CommittedTensor = {
      name: 'x',
      datatype: 'FP32',
      shape: [2],
      data: utf8('12345678'),
    };
    const framed = concat(
      utf8('assay/request/v1\0'),
      Uint8Array.of(1, 0, 0, 0),
      Uint8Array.of(1, 0, 0, 0),
      utf8('x'),
      Uint8Array.of(4, 0, 0, 0),
      utf8('FP32'),
      Uint8Array.of(1, 0, 0, 0),
      Uint8Array.of(2, 0, 0, 0, 0, 0, 0, 0),
      Uint8Array.of(8, 0, 0, 0, 0, 0, 0, 0),
      utf8('12345678'),
    );
    const expected = createHmac('sha256', fill(1)).update(framed).digest();
    assert.deepEqual(Buffer.from(commitTensors('request', [one], fill(1))), expected);
  });

  test('any difference in what is committed to gives another commitment', () => {
    const side = fc.constantFrom<'request' | 'response'>('request', 'response');
    const input = fc.tuple(side, fc.array(tensor, { maxLength: 3 }), digest);
    const show = (value: unknown): string =>
      JSON.stringify(value, (_, member) => (member instanceof Uint8Array ? toHex(member) : member));
    fc.assert(
      fc.property(input, input, (a, b) => {
        fc.pre(show(a) !== show(b));
        assert.notDeepEqual(commitTensors(...a), commitTensors(...b));
      }),
    );
  });

  for (const length of [0, 31, 33]) {
    test(`a salt of ${length} bytes is refused`, () => {
      assert.throws(() => commitTensors('request', [], new Uint8Array(length)), {
        code: 'RECEIPT_SALT',
      });
    });
  }
});
