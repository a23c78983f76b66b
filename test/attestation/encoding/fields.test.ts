import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CborFields } from '../../../attestation/encoding/fields.js';

test('of the name of an unknown member 64 characters are told', () => {
  const fields = new CborFields(new Map([['n'.repeat(100_000), 1]]), 'it', 'BUNDLE_ENCODING');
  assert.throws(() => fields.end(), {
    code: 'BUNDLE_ENCODING',
    message: `it has an unknown member ${'n'.repeat(64)}`,
  });
});
