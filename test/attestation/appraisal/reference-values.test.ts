import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import {
  parseReferenceValues,
  withReferenceValues,
} from '../../../attestation/appraisal/reference-values.js';

const a = 'a'.repeat(96);
const b = 'b'.repeat(96);
const host = 'c'.repeat(64);

const snp = parseReferenceValues({
  version: 1,
  snp: { measurements: [a], hostData: [host] },
  inputs: {},
});
const tdx = parseReferenceValues({ version: 1, tdx: { mrTd: [b], rtmr1: [a] }, inputs: {} });

suite('reference values', () => {
  test('are added to what the policy names, each once', () => {
    const policy = parsePolicy({ version: 1, snp: { measurements: [b, a], crl: 'optional' } });
    const merged = withReferenceValues(policy, [snp, snp, tdx]);
    assert.deepEqual(merged.snp?.measurements, [b, a]);
    assert.deepEqual(merged.snp?.hostData, [host]);
    assert.equal(merged.snp?.crl, 'optional');
    assert.deepEqual(merged.tdx, { mrTd: [b], rtmr1: [a] });
    assert.deepEqual(policy.snp?.measurements, [b, a], 'the policy itself is as it was');
  });

  test('are written in either case, as a policy’s own are', () => {
    const upper = (text: string) => text.toUpperCase();
    const members = { snp: { measurements: [upper(a)], hostData: [upper(host)] } };
    assert.deepEqual(parseReferenceValues({ version: 1, ...members, inputs: {} }).snp, snp.snp);
    assert.deepEqual(parsePolicy({ version: 1, ...members }).snp, snp.snp);
  });

  test('a policy that includes nothing stays as it is', () => {
    const policy = parsePolicy({ version: 1, tdx: { mrTd: [a] } });
    assert.deepEqual(withReferenceValues(policy, []), policy);
  });
});
