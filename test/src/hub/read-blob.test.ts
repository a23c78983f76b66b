import assert from 'node:assert/strict';
import { type TestContext, test } from 'node:test';
import { openHub } from '../../../src/hub/open-hub.js';
import { readBlob } from '../../../src/hub/read-blob.js';
import { parseReference } from '../../../src/hub/reference.js';
import type { Fault } from '../../forge/registry.js';
import { impatient, stockedRegistry } from './setting.js';

/** Reads the card of a registry whose answers to that go wrong as they are told to, in turn. */
async function cardAfter(
  t: TestContext,
  faultOf: (earlier: number) => Fault | undefined,
  limit = 1024,
) {
  const { registry, place, options, pushed } = await stockedRegistry(t);
  const card = pushed.contents.files.find(({ role }) => role === 'card')?.blob;
  if (card === undefined) return assert.fail();
  registry.fault = ({ path }, earlier) =>
    path.includes(card.digest) ? faultOf(earlier) : undefined;
  const hub = openHub(parseReference(`${place}:v1`), options);
  return Buffer.from(await readBlob(hub, card, limit, impatient())).toString();
}

test('a blob that broke off is read again', async (t) => {
  const faults: readonly Fault[] = [{ kind: 'cut', after: 3 }, { kind: 'drop' }];
  assert.equal(await cardAfter(t, (earlier) => faults[earlier]), '# Tiny\n\nAdds.\n');
});

const lasting: readonly (readonly [string, Fault, string])[] = [
  ['always breaks off', { kind: 'cut', after: 3 }, 'HUB_UNREACHABLE'],
  ['always ends early', { kind: 'short', bytes: 3 }, 'HUB_UNREACHABLE'],
  ['is out of order', { kind: 'answer', status: 503 }, 'HUB_SERVICE'],
  [
    'is compressed on the way',
    { kind: 'header', name: 'content-encoding', value: 'gzip' },
    'HUB_PROTOCOL',
  ],
  ['is another', { kind: 'corrupt' }, 'HUB_DIGEST'],
];
for (const [name, fault, code] of lasting) {
  test(`a blob that ${name} is given up with ${code}`, async (t) => {
    await assert.rejects(
      cardAfter(t, () => fault),
      { code },
    );
  });
}

test('a blob that is larger than its reader wants is not asked for', async (t) => {
  const asked = (): Fault => assert.fail('it was asked for');
  await assert.rejects(cardAfter(t, asked, 13), { code: 'HUB_SIZE' });
  assert.equal(await cardAfter(t, () => undefined, 14), '# Tiny\n\nAdds.\n');
});
