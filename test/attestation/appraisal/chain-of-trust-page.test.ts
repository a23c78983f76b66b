import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CHAIN_OF_TRUST } from '../../../attestation/appraisal/references-enclave.js';
import { repositoryRoot } from '../../vectors.js';

test('every section that findings cite is there to be read', () => {
  for (const reference of Object.values(CHAIN_OF_TRUST)) {
    const [path = '', section] = reference.split(', ');
    const headings = readFileSync(join(repositoryRoot, path), 'utf8').split('\n');
    assert.ok(headings.includes(`## ${section}`), reference);
  }
});
