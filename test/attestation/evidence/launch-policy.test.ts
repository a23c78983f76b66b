import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../../attestation/encoding/bytes.js';
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
});
