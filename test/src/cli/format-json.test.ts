import assert from 'node:assert/strict';
import { test } from 'node:test';
import { formatJson, type Json } from '../../../src/cli/io.js';
import { fc } from '../../property.js';

test('JSON without negative zeros is printed as JSON.stringify indents it', () => {
  fc.assert(
    fc.property(fc.json({ maxDepth: 3 }), (text) => {
      const value: Json = JSON.parse(text);
      assert.equal(formatJson(value), JSON.stringify(value, null, 2));
    }),
  );
  assert.equal(formatJson({ a: undefined, b: [] }), '{\n  "b": []\n}');
});

test('what a terminal obeys is escaped, in names and values, and parses to the same', () => {
  const text = 'a\u007f\u009b31m\u202e\u2028\ufeff\u{e0041}\n"';
  const shown = formatJson({ [text]: [text] });
  const escaped = String.raw`"a\u007f\u009b31m\u202e\u2028\ufeff\udb40\udc41\n\""`;
  assert.equal(shown, `{\n  ${escaped}: [\n    ${escaped}\n  ]\n}`);
  assert.deepEqual(JSON.parse(shown), { [text]: [text] });
});

test('a negative zero keeps its sign, wherever it stands', () => {
  const value = { zeros: [-0, 0, [-0]], zero: -0 };
  assert.deepEqual(JSON.parse(formatJson(value)), value);
});

test('what is no number in JSON is its name, not null', () => {
  const found = JSON.parse(formatJson({ far: Infinity, near: [-Infinity, { none: NaN }] }));
  assert.deepEqual(found, { far: 'Infinity', near: ['-Infinity', { none: 'NaN' }] });
});
