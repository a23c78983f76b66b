import assert from 'node:assert/strict';
import { createHash, createHmac } from 'node:crypto';
import { describe, test } from 'node:test';
import { concat, toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import { type CborKey, type CborValue, encodeCbor } from '../../../attestation/encoding/cbor.js';
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
import { outputsDigest, vectorsDigest } from '../../../attestation/evidence/self-test.js';
import {
  type CommittedTensor,
  commitTensors,
  type HmacSha256,
} from '../../../attestation/receipt/commitment.js';
import { forgeEnclave, forgeKey } from '../../forge/exchange.js';
import { fc } from '../../property.js';

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });
const fill = (byte: number): Uint8Array => new Uint8Array(32).fill(byte);

describe('launch policy', () => {
  const hex = digest.map(toHex);
  const file = fc.record({
    version: fc.constant(1),
    models: fc.uniqueArray(
      fc.record(
        {
          graph: hex,
          execution: hex,
          name: fc.string({ minLength: 1, maxLength: 8 }),
          selfTest: fc.record({ vectors: hex, outputs: hex }, { requiredKeys: ['vectors'] }),
        },
        { requiredKeys: ['graph'] },
      ),
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

  test('a policy that names and requires nothing keeps the digest of earlier versions', () => {
    const models = [{ graph }, { graph, execution: 'cd'.repeat(32) }, { graph: '01'.repeat(32) }];
    const policy = parseLaunchPolicy({ version: 1, models, plaintext: true });
    assert.equal(
      toHex(launchPolicyDigest(encodeLaunchPolicy(policy)).hostData),
      'e7a95b0a738abbb09a49b402abd36a6dfd27a1e3d16691bf04c2f59cc5abcb62',
    );
  });

  test('every member of an entry changes the digest', () => {
    const selfTest = { vectors: '02'.repeat(32) };
    const entries = [
      { graph },
      { graph, name: 'a' },
      { graph, name: 'b' },
      { graph, selfTest },
      { graph, selfTest: { ...selfTest, outputs: '03'.repeat(32) } },
    ];
    const digests = entries.map((entry) => {
      const policy = parseLaunchPolicy({ version: 1, models: [entry] });
      return toHex(launchPolicyDigest(encodeLaunchPolicy(policy)).mrConfigId);
    });
    assert.equal(new Set(digests).size, entries.length);
  });

  const refused: readonly (readonly [string, unknown])[] = [
    ['no version', { models: [{ graph }] }],
    ['another version', { version: 2, models: [{ graph }] }],
    ['no models', { version: 1, models: [] }],
    ['a short digest', { version: 1, models: [{ graph: 'ab' }] }],
    ['upper case', { version: 1, models: [{ graph: graph.toUpperCase() }] }],
    ['a model twice', { version: 1, models: [{ graph }, { graph }] }],
    ['an unknown member', { version: 1, models: [{ graph }], debug: true }],
    ['an unknown member of a model', { version: 1, models: [{ graph, alias: 'm' }] }],
    ['an empty name', { version: 1, models: [{ graph, name: '' }] }],
    ['a self-test without vectors', { version: 1, models: [{ graph, selfTest: {} }] }],
    [
      'an unknown member of a self-test',
      { version: 1, models: [{ graph, selfTest: { vectors: graph, sets: 1 } }] },
    ],
  ];
  for (const [name, value] of refused) {
    test(`a file with ${name} is refused`, () => {
      assert.throws(() => parseLaunchPolicy(value), { code: 'LAUNCH_POLICY_FILE' });
    });
  }
});

describe('digests of test vectors', () => {
  const tensorOf = (byte: number, name = 'x') => ({
    name,
    datatype: 'UINT8',
    shape: [1],
    data: Uint8Array.of(byte),
  });
  const set = { inputs: [tensorOf(1)], outputs: [tensorOf(2)] };
  const tolerances = { default: { absolute: 0.5 }, outputs: { y: { topK: 1 } } };
  const reference = toHex(vectorsDigest([set], tolerances));

  test('are those of the format, byte for byte', () => {
    const part = (byte: number) => ['x', 'UINT8', [1], sha256(Uint8Array.of(byte))];
    const half = Buffer.from('3fe0000000000000', 'hex');
    const one = Buffer.from('3ff0000000000000', 'hex');
    const bytes = encodeCbor(
      new Map<CborKey, CborValue>([
        [
          'sets',
          [
            new Map<CborKey, CborValue>([
              ['inputs', [part(1)]],
              ['outputs', [part(2)]],
            ]),
          ],
        ],
        [
          'tolerances',
          new Map<CborKey, CborValue>([
            ['default', new Map<CborKey, CborValue>([['absolute', new Uint8Array(half)]])],
            [
              'outputs',
              new Map<CborKey, CborValue>([
                ['y', new Map<CborKey, CborValue>([['topK', new Uint8Array(one)]])],
              ]),
            ],
          ]),
        ],
      ]),
    );
    const expected = createHash('sha256').update('assay/test-vectors/v1\0').update(bytes);
    assert.equal(reference, expected.digest('hex'));
  });

  const others: readonly (readonly [string, () => Uint8Array])[] = [
    ['another input', () => vectorsDigest([{ ...set, inputs: [tensorOf(3)] }], tolerances)],
    ['another output', () => vectorsDigest([{ ...set, outputs: [tensorOf(3)] }], tolerances)],
    ['another name', () => vectorsDigest([{ ...set, inputs: [tensorOf(1, 'z')] }], tolerances)],
    ['one more set', () => vectorsDigest([set, set], tolerances)],
    ['an input as an output', () => vectorsDigest([{ inputs: [], outputs: [] }], tolerances)],
    ['no tolerances', () => vectorsDigest([set], null)],
    ['tolerances that allow nothing', () => vectorsDigest([set], {})],
    [
      'a wider tolerance',
      () => vectorsDigest([set], { ...tolerances, default: { absolute: 0.75 } }),
    ],
    ['another measure', () => vectorsDigest([set], { ...tolerances, default: { relative: 0.5 } })],
    [
      'the tolerance of another output',
      () => vectorsDigest([set], { ...tolerances, outputs: { x: { topK: 1 } } }),
    ],
    ['what a node computed', () => outputsDigest([set.inputs, set.outputs])],
  ];
  for (const [name, digestOf] of others) {
    test(`${name} gives another digest`, () => assert.notEqual(toHex(digestOf()), reference));
  }

  test('an absent default and an empty one are one', () => {
    const { outputs } = tolerances;
    assert.deepEqual(
      vectorsDigest([set], { outputs }),
      vectorsDigest([set], { outputs, default: {} }),
    );
  });
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

describe('commitments', () => {
  const tensor = fc.record({
    name: fc.string(),
    datatype: fc.constantFrom('FP32', 'INT64', 'BYTES'),
    shape: fc.array(fc.nat(), { maxLength: 4 }),
    data: fc.uint8Array({ maxLength: 300 }),
  });
  const node: HmacSha256 = (key, parts) =>
    createHmac('sha256', key)
      .update(concat(...parts))
      .digest();

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

  test('what was committed to before under the same name makes no difference', () => {
    const u32 = (value: number): Uint8Array => Uint8Array.of(value, 0, 0, 0);
    const u64 = (value: number): Uint8Array => Uint8Array.of(value, 0, 0, 0, 0, 0, 0, 0);
    const text = (value: string): Uint8Array => concat(u32(value.length), utf8(value));
    const alike = fc.record({
      name: fc.constantFrom('x', 'y'),
      datatype: fc.constantFrom('FP32', 'INT64'),
      shape: fc.array(fc.nat(3), { maxLength: 3 }),
      data: fc.uint8Array({ maxLength: 3 }),
    });
    fc.assert(
      fc.property(fc.array(alike, { maxLength: 4 }), (tensors) => {
        const framed = tensors.map(({ name, datatype, shape, data }) =>
          concat(
            ...[text(name), text(datatype), u32(shape.length), ...shape.map(u64)],
            ...[u64(data.length), data],
          ),
        );
        const all = concat(utf8('assay/response/v1\0'), u32(tensors.length), ...framed);
        const expected = createHmac('sha256', fill(1)).update(all).digest();
        assert.deepEqual(Buffer.from(commitTensors('response', tensors, fill(1))), expected);
      }),
    );
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
