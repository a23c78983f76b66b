import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { fromHex, toHex } from '../../../attestation/encoding/bytes.js';
import { simulatedChipId } from '../../../enclave/platform/simulator/snp.js';
import { replaced } from '../../forge/certificate-changes.js';
import { idsOf, judgeSnp } from '../../forge/judge-snp.js';
import { FORGED_REPORTS, MACHINES } from '../../forge/snp-report-cases.js';

for (const [name, cases] of Object.entries(FORGED_REPORTS)) {
  describe(`forged reports: ${name}`, () => {
    for (const { name: title, fault, code } of cases) {
      test(title, async () => {
        const result = await judgeSnp(fault);
        assert.equal(result.code, code);
        assert.equal(result.authentic, false);
        assert.equal(result.affirmed, false);
        assert.deepEqual(idsOf(result, 'fail'), [code]);
        assert.notEqual(result.checks[0]?.expected, 'authentic evidence');
        assert.deepEqual(result.claims, {});
      });
    }
  });
}

test('a certificate of another chip is told with both chips', async () => {
  const hwid = '09'.repeat(64);
  const { summary } = await judgeSnp({ vek: replaced('4', fromHex(hwid)) });
  const chipId = toHex(simulatedChipId('Milan'));
  assert.ok(summary.endsWith(`: the HWID of the certificate is ${hwid}, CHIP_ID is ${chipId}.`));
});

describe('flawless machines', () => {
  for (const product of ['Milan', 'Genoa', 'Turin'] as const) {
    for (const kind of ['VCEK', 'VLEK'] as const) {
      test(`${product} under a ${kind} is affirmed, and marked simulated`, async () => {
        const result = await judgeSnp({ product, kind });
        assert.equal(
          result.summary,
          `An authentic report of a ${product} processor that meets the policy.`,
        );
        assert.equal(result.affirmed, true);
        assert.equal(result.simulated, true);
        assert.equal(result.trustAnchor?.source, 'caller');
        assert.deepEqual(idsOf(result, 'fail'), []);
      });
    }
  }

  for (const [version, machine] of Object.entries(MACHINES)) {
    test(`version ${version} is affirmed`, async () => {
      assert.equal((await judgeSnp(machine)).code, null);
    });
  }

  test('Zen 4c counts as Genoa', async () => {
    const cpuid = { family: 0x19, model: 0xa0, stepping: 1 };
    assert.equal((await judgeSnp({ product: 'Genoa', report: { cpuid } })).code, null);
  });
});
