import assert from 'node:assert/strict';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { pullModel } from '../../../src/hub/pull.js';
import { parseReference } from '../../../src/hub/reference.js';
import type { Fault } from '../../forge/registry.js';
import {
  assertNothingServed,
  assertPackage,
  impatient,
  stockedRegistry,
  temporaryFolder,
} from './setting.js';

/** A pull that ended within the weights: what it left in its folder is there to go on with. */
async function interrupted(t: TestContext) {
  const { registry, place, digestOf } = await stockedRegistry(t, 65_536);
  const folder = temporaryFolder(t);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen, earlier) => {
    if (!path.test(seen.path)) return undefined;
    return earlier === 0 ? { kind: 'cut', after: 100_000 } : { kind: 'drop' };
  };
  const reference = parseReference(`${place}:v1`);
  await assert.rejects(pullModel(reference, folder, { retry: impatient([], 2) }), {
    code: 'HUB_UNREACHABLE',
  });
  return { registry, folder, path, reference };
}

test('a download that is cut goes on where it stopped', async (t) => {
  const { registry, place, options, digestOf } = await stockedRegistry(t, 65_536);
  const folder = temporaryFolder(t);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen, earlier) =>
    path.test(seen.path) && earlier < 3 ? { kind: 'cut', after: 50_000 } : undefined;
  await pullModel(parseReference(`${place}:v1`), folder, options);
  assertPackage(folder, 65_536);
  const starts = registry
    .requests('GET', path)
    .map(({ range }) => Number(/=(\d+)-/.exec(range ?? '=0-')?.[1]));
  assert.equal(starts.length, 4);
  assert.deepEqual(
    [...starts].sort((a, b) => a - b),
    starts,
  );
  assert.ok((starts[3] ?? 0) > (starts[1] ?? 0) && (starts[1] ?? 0) > 0, String(starts));
});

test('another process goes on with what an interrupted one left', async (t) => {
  const { registry, folder, path, reference } = await interrupted(t);
  assertNothingServed(folder);
  registry.fault = () => undefined;
  registry.seen.length = 0;
  await pullModel(reference, folder, { retry: impatient() });
  assertPackage(folder, 65_536);
  const [request, ...more] = registry.requests('GET', path);
  assert.equal(more.length, 0);
  assert.match(request?.range ?? '', /^bytes=[1-9]\d*-262143$/);
});

test('a registry without ranges sends the whole blob again', async (t) => {
  const { registry, place, options, digestOf } = await stockedRegistry(t, 65_536);
  const folder = temporaryFolder(t);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen, earlier) => {
    if (!path.test(seen.path)) return undefined;
    return earlier === 0 ? { kind: 'cut', after: 100_000 } : { kind: 'no-ranges' };
  };
  await pullModel(parseReference(`${place}:v1`), folder, options);
  assertPackage(folder, 65_536);
});

for (const status of [416, 501]) {
  test(`a registry that answers a range with ${status} is asked for the whole blob`, async (t) => {
    const { registry, place, options, digestOf } = await stockedRegistry(t, 65_536);
    const folder = temporaryFolder(t);
    const path = new RegExp(digestOf('weights.bin'));
    registry.fault = (seen, earlier) => {
      if (!path.test(seen.path)) return undefined;
      if (seen.range !== undefined) return { kind: 'answer', status };
      return earlier === 0 ? { kind: 'cut', after: 100_000 } : undefined;
    };
    await pullModel(parseReference(`${place}:v1`), folder, options);
    assertPackage(folder, 65_536);
    assert.equal(registry.requests('GET', path).length, 3);
  });
}

for (const value of ['bytes 100000-100099/262144', 'bytes 0-262143/262144', 'none']) {
  test(`a registry that answers a range with ${value} is asked for the whole blob`, async (t) => {
    const { registry, folder, path, reference } = await interrupted(t);
    registry.fault = (seen) =>
      path.test(seen.path) && seen.range !== undefined
        ? { kind: 'header', name: 'content-range', value }
        : undefined;
    await pullModel(reference, folder, { retry: impatient() });
    assertPackage(folder, 65_536);
  });
}

/** What a registry calls the range that it sends, by what it was asked for, and what it is asked in all. */
const ranges: readonly (readonly [string, (asked: string) => string, number])[] = [
  ['of a blob of unknown length', (asked) => `bytes ${asked}/*`, 1],
  ['of a longer blob', (asked) => `bytes ${asked}/262145`, 2],
  ['that begins elsewhere', () => 'bytes 0-262143/262144', 2],
  ['that is none', () => 'none', 2],
];
for (const [name, value, times] of ranges) {
  test(`a range ${name} is ${times === 1 ? 'taken' : 'not taken: the whole blob is'}`, async (t) => {
    const { registry, folder, path, reference } = await interrupted(t);
    registry.seen.length = 0;
    registry.fault = (seen) => {
      if (!path.test(seen.path) || seen.range === undefined) return undefined;
      const asked = seen.range.replace('bytes=', '');
      return { kind: 'header', name: 'content-range', value: value(asked) };
    };
    await pullModel(reference, folder, { retry: impatient() });
    assertPackage(folder, 65_536);
    assert.equal(registry.requests('GET', path).length, times);
  });
}

test('a download that stalls is taken up again', async (t) => {
  const { registry, place, digestOf } = await stockedRegistry(t, 65_536);
  const folder = temporaryFolder(t);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen, earlier) =>
    path.test(seen.path) && earlier < 2 ? { kind: 'stall', after: 50_000 } : undefined;
  const options = { retry: impatient(), idleTimeout: 200 };
  await pullModel(parseReference(`${place}:v1`), folder, options);
  assertPackage(folder, 65_536);
  assert.equal(registry.requests('GET', path).length, 3);
});

test('a connection that is always cut at the same byte is given up', async (t) => {
  const { registry, place, options, digestOf } = await stockedRegistry(t, 65_536);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen, earlier) => {
    if (!path.test(seen.path)) return undefined;
    return earlier === 0 ? { kind: 'cut', after: 100_000 } : { kind: 'cut', after: 0 };
  };
  await assert.rejects(pullModel(parseReference(`${place}:v1`), temporaryFolder(t), options), {
    code: 'HUB_UNREACHABLE',
  });
});

test('a registry that always sends the same first bytes is given up', {
  timeout: 20_000,
}, async (t) => {
  const { registry, place, options, digestOf } = await stockedRegistry(t, 65_536);
  const path = new RegExp(digestOf('weights.bin'));
  registry.fault = (seen) =>
    path.test(seen.path) ? { kind: 'cut', after: 100_000, ranges: false } : undefined;
  await assert.rejects(pullModel(parseReference(`${place}:v1`), temporaryFolder(t), options), {
    code: 'HUB_UNREACHABLE',
  });
});

/** Changes what an interrupted pull left of its blob. */
function changePartial(folder: string, change: (bytes: Buffer) => Buffer): void {
  const staging = join(folder, '.assay-staging');
  const name = readdirSync(staging).find((each) => each.endsWith('.partial')) ?? 'none';
  const partial = join(staging, name);
  writeFileSync(partial, change(readFileSync(partial)));
}

const flipped = (bytes: Buffer): Buffer => {
  bytes[10] = (bytes[10] ?? 0) ^ 1;
  return bytes;
};

for (const [name, change] of [
  ['a damaged partial file', flipped],
  ['a partial file as long as the blob', () => Buffer.alloc(262_144)],
  ['a partial file that is longer than the blob', () => Buffer.alloc(300_000)],
] as const) {
  test(`${name} is found out and fetched again`, async (t) => {
    const { registry, folder, reference } = await interrupted(t);
    changePartial(folder, change);
    registry.fault = () => undefined;
    await pullModel(reference, folder, { retry: impatient() });
    assertPackage(folder, 65_536);
  });
}

test('a damaged partial file of a blob that comes damaged again is given up', {
  timeout: 20_000,
}, async (t) => {
  const { registry, folder, path, reference } = await interrupted(t);
  changePartial(folder, flipped);
  registry.fault = (seen) => (path.test(seen.path) ? { kind: 'corrupt' } : undefined);
  await assert.rejects(pullModel(reference, folder, { retry: impatient() }), {
    code: 'HUB_DIGEST',
  });
});

test('500 and 429 that pass are waited for, as long as Retry-After says', async (t) => {
  const { registry, place } = await stockedRegistry(t);
  const pauses: number[] = [];
  const answers: readonly Fault[] = [
    { kind: 'answer', status: 500 },
    { kind: 'answer', status: 429, headers: { 'retry-after': '7' } },
    { kind: 'answer', status: 503, headers: { 'retry-after': 'Sat, 21 Nov 2026 12:01:00 GMT' } },
    { kind: 'drop' },
  ];
  registry.fault = (seen, earlier) => (/manifests/.test(seen.path) ? answers[earlier] : undefined);
  const folder = temporaryFolder(t);
  await pullModel(parseReference(`${place}:v1`), folder, { retry: impatient(pauses) });
  assertPackage(folder);
  assert.deepEqual(pauses, [500, 7000, 60_000, 4000]);
});

for (const [name, seconds] of [
  ['an hour', '3600'],
  ['ten digits of seconds', '9'.repeat(10)],
  ['more seconds than a number holds', '9'.repeat(400)],
] as const) {
  test(`a registry that wants to be left alone for ${name} is left alone`, async (t) => {
    const { registry, place, options } = await stockedRegistry(t);
    registry.fault = () => ({ kind: 'answer', status: 429, headers: { 'retry-after': seconds } });
    await assert.rejects(pullModel(parseReference(`${place}:v1`), temporaryFolder(t), options), {
      code: 'HUB_BUSY',
      message: /asks to wait \d+ s$/,
    });
    assert.equal(registry.seen.length, 1);
  });
}
