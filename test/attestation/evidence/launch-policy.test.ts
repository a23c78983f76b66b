import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../../attestation/encoding/bytes.js';
import { type CborKey, type CborValue, encodeCbor } from '../../../attestation/encoding/cbor.js';
import {
  decodeLaunchPolicy,
  encodeLaunchPolicy,
  launchPolicyDigest,
  parseLaunchPolicy,
} from '../../../attestation/evidence/launch-policy.js';
import { fc } from '../../property.js';

const digest = fc.uint8Array({ minLength: 32, maxLength: 32 });

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
        const reversed = parseLaunchPolicy({ ...value, models: value.models.toReversed() });
        assert.deepEqual(encodeLaunchPolicy(reversed), canonical);
        const unsorted = { ...reversed, models: reversed.models.toReversed() };
        assert.deepEqual(encodeLaunchPolicy(unsorted), canonical);
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

  test('what a file does not mention is not allowed and not required', () => {
    assert.deepEqual(parseLaunchPolicy({ version: 1, models: [{ graph }] }), {
      models: [{ graph: fromHex(graph), execution: null }],
      development: false,
      plaintext: false,
    });
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

  test('a name has at most 128 UTF-16 code units, in both forms', () => {
    const policy = (name: string) => ({ version: 1, models: [{ graph, name }] });
    const longest = '\u{ffee}'.repeat(128);
    const parsed = parseLaunchPolicy(policy(longest));
    assert.deepEqual(decodeLaunchPolicy(encodeLaunchPolicy(parsed)), parsed);
    assert.throws(() => parseLaunchPolicy(policy(`${longest}a`)), { code: 'LAUNCH_POLICY_FILE' });
    for (const name of ['', 'a'.repeat(129)]) {
      const models = parsed.models.map((model) => ({ ...model, name }));
      assert.throws(() => decodeLaunchPolicy(encodeLaunchPolicy({ ...parsed, models })), {
        code: 'LAUNCH_POLICY_ENCODING',
        message: 'expected name to be a text of 1 to 128 UTF-16 code units',
      });
    }
  });

  /** As many different entries, each with the most that one has. */
  const file4096 = Array.from({ length: 4096 }, (_, i) => ({
    graph,
    execution: graph,
    name: `${i}`.padStart(128, 'é'),
    selfTest: { vectors: graph, outputs: graph },
  }));
  const most = parseLaunchPolicy({ version: 1, models: file4096 });

  test('has at most 4096 entries', () => {
    assert.deepEqual(decodeLaunchPolicy(encodeLaunchPolicy(most)), most);
    const over = [...file4096, { graph }];
    assert.throws(() => parseLaunchPolicy({ version: 1, models: over }), {
      code: 'LAUNCH_POLICY_FILE',
    });
    const models = [...most.models, { graph: fromHex(graph), execution: null }];
    assert.throws(() => decodeLaunchPolicy(encodeLaunchPolicy({ ...most, models })), {
      code: 'LAUNCH_POLICY_ENCODING',
      message: 'expected at most 4096 models, not 4097',
    });
  });

  test('a canonical form of more than 4 MiB is refused', () => {
    const entry = { graph: fromHex(graph), execution: null, name: 'n'.repeat(4 * 1024 * 1024) };
    const canonical = encodeLaunchPolicy({ ...most, models: [entry] });
    assert.throws(() => decodeLaunchPolicy(canonical), {
      code: 'LAUNCH_POLICY_ENCODING',
      message: /at most 4194304 bytes/,
    });
  });

  test('the case of a digest is no part of it', () => {
    const [lower, upper] = [graph, graph.toUpperCase()].map((text) =>
      parseLaunchPolicy({ version: 1, models: [{ graph: text }] }),
    );
    assert.deepEqual(upper, lower);
  });

  const refused: readonly (readonly [string, unknown])[] = [
    ['a model twice', { version: 1, models: [{ graph }, { graph }] }],
    ['a model in each case', { version: 1, models: [{ graph }, { graph: graph.toUpperCase() }] }],
    ['an empty name', { version: 1, models: [{ graph, name: '' }] }],
  ];
  for (const [name, value] of refused) {
    test(`a file with ${name} is refused`, () => {
      assert.throws(() => parseLaunchPolicy(value), { code: 'LAUNCH_POLICY_FILE' });
    });
  }

  /** The canonical form of a policy with other members, of itself and of its one entry. */
  const changed = (members: object, entry: object = {}): Uint8Array => {
    const models = [new Map(Object.entries({ graph: fromHex(graph), execution: null, ...entry }))];
    const whole = { version: 1, models, development: false, plaintext: false, ...members };
    return encodeCbor(new Map<CborKey, CborValue>(Object.entries(whole)));
  };
  const digest32 = fromHex(graph);
  const entry = (byte: number) =>
    new Map<CborKey, CborValue>([
      ['graph', new Uint8Array(32).fill(byte)],
      ['execution', null],
    ]);
  const selfTest = (members: object) => ({ selfTest: new Map(Object.entries(members)) });

  test('the canonical form has every member that there is', () => {
    const [first] = decodeLaunchPolicy(
      changed({}, { name: 'm', ...selfTest({ vectors: digest32, outputs: null }) }),
    ).models;
    assert.deepEqual(first, {
      graph: digest32,
      execution: null,
      name: 'm',
      selfTest: { vectors: digest32, outputs: null },
    });
    assert.equal(decodeLaunchPolicy(changed({ models: [entry(1), entry(2)] })).models.length, 2);
  });

  for (const [name, canonical] of [
    ['version 2', changed({ version: 2 })],
    ['no models', changed({ models: [] })],
    ['models out of order', changed({ models: [entry(2), entry(1)] })],
    ['a model twice', changed({ models: [entry(1), entry(1)] })],
    ['an unknown member', changed({ debug: true })],
    ['a number for a boolean', changed({ development: 1 })],
    ['an unknown member of a model', changed({}, { alias: 'm' })],
    ['a graph of 31 bytes', changed({}, { graph: digest32.subarray(1) })],
    ['an execution of 33 bytes', changed({}, { execution: new Uint8Array(33) })],
    ['an execution that is text', changed({}, { execution: graph })],
    ['a name that is no text', changed({}, { name: null })],
    ['a self-test that is no map', changed({}, { selfTest: digest32 })],
    ['a self-test without outputs', changed({}, selfTest({ vectors: digest32 }))],
    ['vectors of 31 bytes', changed({}, selfTest({ vectors: new Uint8Array(31), outputs: null }))],
    [
      'outputs of 31 bytes',
      changed({}, selfTest({ vectors: digest32, outputs: new Uint8Array(31) })),
    ],
    [
      'an unknown member of a self-test',
      changed({}, selfTest({ vectors: digest32, outputs: null, sets: 1 })),
    ],
  ] as const) {
    test(`a canonical form with ${name} is refused`, () => {
      assert.throws(() => decodeLaunchPolicy(canonical), { code: 'LAUNCH_POLICY_ENCODING' });
    });
  }
});
