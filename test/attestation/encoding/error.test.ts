import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';

test('an error tells a bounded part of what came', () => {
  const { message } = new AssayError('SNP_CERTIFICATE_NAME', `not ${'name, '.repeat(100_000)}`);
  assert.match(message, /^not name, .{8000,9000}…$/);
});
