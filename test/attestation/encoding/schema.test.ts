import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as z from 'zod';
import { schemaError } from '../../../attestation/encoding/schema.js';

test('what a schema refuses is one line with every member at fault, and no value', () => {
  const parsed = z
    .strictObject({ a: z.number(), b: z.strictObject({ c: z.string() }) })
    .safeParse({ a: 'secret', b: {}, d: 'secret' });
  assert.ok(parsed.error);
  const error = schemaError('CONFIG_INVALID', 'the file is not valid', parsed.error);
  assert.equal(error.code, 'CONFIG_INVALID');
  assert.match(error.message, /^the file is not valid: .*"d".*→ at a.*→ at b\.c$/);
  assert.doesNotMatch(error.message, /secret/);
  assert.equal(error.cause, parsed.error);
});

test('what a schema refuses is told in a line of bounded length, causes and all', () => {
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, i) => [`k${i}`, i]));
  for (const value of [many, { a: Object.values(many) }]) {
    const parsed = z.strictObject({ a: z.array(z.string()) }).safeParse(value);
    assert.ok(parsed.error);
    const error = schemaError('CONFIG_INVALID', 'the file is not valid', parsed.error);
    assert.match(error.message, /^the file is not valid: ✖ .{1900,2100}… and more$/);
    assert.equal(error.cause, undefined);
  }
});
