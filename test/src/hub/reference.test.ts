import assert from 'node:assert/strict';
import { test } from 'node:test';
import { digestOf } from '../../../src/hub/digest.js';
import { formatReference, parseReference, type Reference } from '../../../src/hub/reference.js';
import { fc } from '../../property.js';

const DIGEST = `sha256:${'a1'.repeat(32)}`;

const text = (pattern: RegExp) => fc.stringMatching(pattern);
const host = fc
  .tuple(
    text(/^[a-z][a-z0-9]{0,8}(\.[a-z][a-z0-9]{0,7}){0,3}$/),
    fc.option(fc.integer({ min: 1, max: 65535 })),
  )
  .map(([name, port]) => (port === null ? name : `${name}:${port}`));
const repository = fc
  .array(text(/^[a-z0-9]{1,6}((\.|_|__|-{1,3})[a-z0-9]{1,6}){0,2}$/), {
    minLength: 1,
    maxLength: 4,
  })
  .map((components) => components.join('/'));
const coordinate = fc.record(
  {
    tag: text(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/),
    digest: fc.uint8Array().map(digestOf),
  },
  { requiredKeys: [] },
);
const registry = fc
  .tuple(host, repository, coordinate)
  .map(([host, repository, rest]): Reference => ({ kind: 'registry', host, repository, ...rest }));
const directory = fc
  .tuple(text(/^(\/|\.\/)?([A-Za-z0-9._@:-]{1,9}\/){0,3}[A-Za-z0-9._-]{1,9}$/), coordinate)
  .map(([path, rest]): Reference => ({ kind: 'directory', path, ...rest }));

test('a reference is parsed to what it was made from, and formats to what it was', () => {
  fc.assert(
    fc.property(fc.oneof(registry, directory), (reference) => {
      const written = formatReference(reference);
      assert.deepEqual(parseReference(written), reference);
      assert.equal(formatReference(parseReference(written)), written);
    }),
  );
});

test('whatever text is accepted formats to itself', () => {
  const alphabet = fc.constantFrom(...'ab1._-/:@[]A', DIGEST, 'localhost', '5000');
  const arbitrary = fc.array(alphabet, { maxLength: 12 }).map((parts) => parts.join(''));
  fc.assert(
    fc.property(fc.constantFrom('oci://', 'ocidir://', ''), arbitrary, (scheme, rest) => {
      const input = `${scheme}${rest}`;
      let parsed: Reference;
      try {
        parsed = parseReference(input);
      } catch (error) {
        assert.equal((error as { code?: string }).code, 'HUB_REFERENCE');
        return;
      }
      assert.equal(formatReference(parsed), input);
    }),
    { numRuns: 1000 },
  );
});

const accepted: readonly (readonly [string, Readonly<Record<string, string>>])[] = [
  ['oci://registry.example', { host: 'registry.example' }],
  ['oci://localhost:5000/a/b:v1', { host: 'localhost:5000', repository: 'a/b', tag: 'v1' }],
  [`oci://[::1]:5000/m@${DIGEST}`, { host: '[::1]:5000', repository: 'm', digest: DIGEST }],
  [`oci://h/m:v1@${DIGEST}`, { repository: 'm', tag: 'v1', digest: DIGEST }],
  ['ocidir:///srv/hub/m:v1', { path: '/srv/hub/m', tag: 'v1' }],
  ['ocidir://C/d:e/f', { path: 'C/d:e/f' }],
  [`ocidir:///home/a@b/m:v1@${DIGEST}`, { path: '/home/a@b/m', tag: 'v1', digest: DIGEST }],
];
for (const [reference, expected] of accepted) {
  test(`accepts ${reference}`, () => {
    const parsed: Record<string, unknown> = { ...parseReference(reference) };
    for (const [name, value] of Object.entries(expected)) assert.equal(parsed[name], value);
  });
}

const refused: readonly string[] = [
  '',
  'model.onnx',
  'https://h/m',
  'oci://',
  'oci:///m',
  'oci://h/',
  'oci://H/m',
  'oci://h:0/m',
  'oci://h:65536/m',
  'oci://user@h/m',
  'oci://h/M',
  'oci://h/../m',
  'oci://h/a//b',
  'oci://h/m:',
  'oci://h/m:-v',
  `oci://h/m:${'v'.repeat(129)}`,
  `oci://h/${'m'.repeat(256)}`,
  'oci://h/m@sha256:abc',
  `oci://h/m@sha256:${'A1'.repeat(32)}`,
  `oci://h/m@sha512:${'a1'.repeat(64)}`,
  `oci://h/m@${DIGEST}@${DIGEST}`,
  'oci://h/m?x=1',
  'oci://h/m#x',
  'oci://h\\m/x',
  'oci://256.1.1.1/m',
  'oci://1.2.3.4.5/m',
  'oci://[::::]/m',
  'ocidir://',
  'ocidir://a\0b',
  'ocidir:///srv/a@b',
  'oci://h/a@b/m',
  `oci://h/${'a/'.repeat(4000)}a`,
];
for (const reference of refused) {
  test(`refuses ${JSON.stringify(reference.slice(0, 60))}`, () => {
    assert.throws(() => parseReference(reference), { code: 'HUB_REFERENCE' });
  });
}
