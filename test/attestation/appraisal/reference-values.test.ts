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

  test('of a platform that the policy has no rules for are all its rules', () => {
    const policy = parsePolicy({ version: 1 });
    assert.deepEqual(withReferenceValues(policy, [snp]), { version: 1, snp: snp.snp });
    assert.deepEqual(withReferenceValues(policy, [tdx]), { version: 1, tdx: tdx.tdx });
  });

  test('are added set by set; the policy’s other rules stay, and no platform is accepted beside', () => {
    const sets = (byte: string) => ({
      snp: {
        measurements: [byte.repeat(48)],
        hostData: [byte.repeat(32)],
        idKeyDigests: [byte.repeat(48)],
        authorKeyDigests: [byte.repeat(48)],
      },
      tdx: {
        mrTd: [byte.repeat(48)],
        rtmr1: [byte.repeat(48)],
        rtmr2: [byte.repeat(48)],
        mrConfigId: [byte.repeat(48)],
      },
    });
    const [own, more] = [sets('0a'), sets('0b')];
    const rules = {
      snp: { minimumGuestSvn: 5 },
      tdx: { tcb: { minimumEvaluationDataNumber: 5 } },
    };
    const enclave = { allowUnpinned: true };
    for (const tee of ['snp', 'tdx'] as const) {
      const policy = parsePolicy({ version: 1, [tee]: { ...own[tee], ...rules[tee] }, enclave });
      const references = parseReferenceValues({ version: 1, [tee]: more[tee], inputs: {} });
      const united = Object.entries(own[tee]).map(([name, set]) => [
        name,
        [...set, ...set.map((value) => value.replaceAll('a', 'b'))],
      ]);
      assert.deepEqual(withReferenceValues(policy, [references]), {
        version: 1,
        [tee]: { ...Object.fromEntries(united), ...rules[tee] },
        enclave,
      });
    }
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
