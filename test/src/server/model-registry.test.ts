import assert from 'node:assert/strict';
import { test } from 'node:test';
import { status } from '@grpc/grpc-js';
import type { LoadedModel } from '../../../src/engine/engine.js';
import { ModelRegistry } from '../../../src/server/model-registry.js';

const load = (version: string, name = 'm') => ({ name, version }) as LoadedModel;

function serving(...versions: readonly string[]): ModelRegistry {
  const registry = new ModelRegistry();
  for (const version of versions) registry.add(load(version));
  return registry;
}

test('versions are in the order of their numbers, behind those that are none', () => {
  for (const versions of [
    ['beta', 'v10', 'v9', '01', '1', '2', '10'],
    ['9007199254740992', '9007199254740993'],
  ]) {
    for (const order of [versions, versions.toReversed()]) {
      assert.deepEqual(serving(...order).versions('m'), versions);
      assert.equal(serving(...order).get('m', '').version, versions.at(-1));
    }
  }
});

test('a load takes the place of the one before of its version, which goes without taking it along', () => {
  const registry = serving('1', '2');
  const before = registry.get('m', '1');
  const after = load('1');
  registry.add(after);
  registry.remove(before);
  assert.equal(registry.get('m', '1'), after);
  assert.deepEqual(registry.versions('m'), ['1', '2']);
  registry.remove(after);
  assert.throws(() => registry.get('m', '1'), {
    code: status.NOT_FOUND,
    message: 'model m has no version 1; served are: 2',
  });
  registry.remove(registry.get('m', '2'));
  registry.add(load('1', 'other'));
  assert.throws(() => registry.get('m', ''), {
    code: status.NOT_FOUND,
    message: 'no model m; served are: other',
  });
});
