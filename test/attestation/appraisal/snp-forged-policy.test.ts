import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { toHex, utf8 } from '../../../attestation/encoding/bytes.js';
import { paravisorReportData } from '../../../attestation/evidence/runtime-claims.js';
import { encodeTcb } from '../../../attestation/evidence/snp-fields.js';
import { SIMULATED_CHIPS, simulatedChipId } from '../../../enclave/platform/simulator/snp.js';
import type { AmdFault } from '../../forge/amd.js';
import { idsOf, judgeSnp, KNOWN_MEASUREMENT } from '../../forge/judge-snp.js';
import { FORGED_POLICIES } from '../../forge/snp-policy-cases.js';

const BASE = 0x30000n;
const digest = (byte: number, size: number): Uint8Array => new Uint8Array(size).fill(byte);
const other = (size: number): string => toHex(digest(0xee, size));

for (const [title, cases] of Object.entries(FORGED_POLICIES)) {
  describe(`authentic reports that the policy refuses: ${title}`, () => {
    for (const { name, fault = {}, policy = {}, check, waiver } of cases) {
      test(name, async () => {
        const refused = await judgeSnp(fault, policy);
        assert.equal(refused.authentic, true, refused.summary);
        assert.equal(refused.affirmed, false);
        assert.deepEqual(idsOf(refused, 'fail'), [check]);
        assert.equal(refused.code, check);
        if (waiver === undefined) return;
        const waived = await judgeSnp(fault, { ...policy, ...waiver });
        assert.equal(waived.affirmed, true, waived.summary);
        assert.deepEqual(idsOf(waived, 'waived'), [check]);
      });
    }
  });
}

describe('policies that a report meets', () => {
  const tcb = SIMULATED_CHIPS.Turin.tcb;
  const full = {
    measurements: [other(48), KNOWN_MEASUREMENT.toUpperCase()],
    hostData: [toHex(digest(0, 32))],
    reportData: [toHex(digest(0, 64))],
    familyIds: [toHex(digest(0, 16))],
    imageIds: [toHex(digest(0, 16))],
    reportIdsMa: [toHex(digest(0xff, 32))],
    idKeyDigests: [toHex(digest(3, 48))],
    authorKeyDigests: [toHex(digest(4, 48))],
    requireAuthorKey: true,
    chipIds: [toHex(simulatedChipId('Turin'))],
    products: ['Turin'],
    signingKeys: ['VCEK'],
    vmpl: [0],
    guestPolicy: { require: ['SMT'], forbid: ['DEBUG'], minimumAbi: { major: 0, minor: 0 } },
    platformInfo: { require: ['ALIAS_CHECK_COMPLETE'], forbid: ['RAPL_DIS'] },
    minimumTcb: { Turin: { reported: tcb, committed: tcb, current: tcb, launch: tcb } },
    minimumFirmware: { major: 1, minor: 55, build: 40 },
    minimumGuestSvn: 0,
    mitigations: { launch: '0x3f', current: '0x1' },
    crl: 'required',
  };
  const fault: AmdFault = {
    product: 'Turin',
    report: { keyInfo: 1, idKeyDigest: digest(3, 48), authorKeyDigest: digest(4, 48) },
  };

  test('every member at once', async () => {
    const result = await judgeSnp(fault, full);
    assert.deepEqual(idsOf(result, 'fail'), []);
    assert.equal(result.affirmed, true);
  });

  test('reportIds', async () => {
    const reportId = digest(7, 32);
    const result = await judgeSnp({ report: { reportId } }, { reportIds: [toHex(reportId)] });
    assert.equal(result.affirmed, true, result.summary);
  });

  test('cspIds and the VLEK they are in', async () => {
    const { cspId } = (await judgeSnp({ kind: 'VLEK' })).claims;
    const result = await judgeSnp(
      { kind: 'VLEK' },
      { cspIds: [String(cspId)], signingKeys: ['VLEK'] },
    );
    assert.equal(result.affirmed, true, result.summary);
  });

  for (const member of Object.keys(full)) {
    test(`without ${member} nothing that was refused is affirmed`, async () => {
      const rest = Object.fromEntries(Object.entries(full).filter(([name]) => name !== member));
      const dangerous: AmdFault = {
        ...fault,
        report: { ...fault.report, policy: BASE | (1n << 19n) },
      };
      const result = await judgeSnp(dangerous, rest);
      assert.equal(result.affirmed, false);
      assert.ok(idsOf(result, 'fail').includes('snp.guest-policy.debug'));
    });
  }

  test('what the caller expects of REPORT_DATA and HOST_DATA is judged beside the policy', async () => {
    const good = { reportData: digest(0, 64), hostData: digest(0, 32) };
    assert.equal((await judgeSnp({}, {}, good)).affirmed, true);
    const data = await judgeSnp({}, {}, { ...good, reportData: digest(1, 64) });
    assert.deepEqual(idsOf(data, 'fail'), ['snp.report-data']);
    const host = await judgeSnp({}, {}, { ...good, hostData: digest(1, 32) });
    assert.deepEqual(idsOf(host, 'fail'), ['snp.host-data']);
  });

  test('runtime claims say that a paravisor was measured', async () => {
    const runtimeClaims = utf8('{}');
    const reportData = paravisorReportData(runtimeClaims);
    const result = await judgeSnp({ report: { reportData } }, {}, { runtimeClaims });
    assert.equal(result.affirmed, true, result.summary);
    assert.match(result.caveats.join('\n'), /paravisor is what the hardware measured/);
    const others = { runtimeClaims: utf8('{ }') };
    const refused = await judgeSnp({ report: { reportData } }, {}, others);
    assert.deepEqual(idsOf(refused, 'fail'), ['snp.runtime-claims']);
  });

  test('an ABI version that the guest demands meets a floor of that version', async () => {
    const fault: AmdFault = { report: { policy: BASE | 0x0137n } };
    const floor = { major: 1, minor: 0x37 };
    const result = await judgeSnp(fault, { guestPolicy: { minimumAbi: floor } });
    assert.equal(result.affirmed, true, result.summary);
  });

  test('firmware below its floor is told as current and as committed, which is never above', async () => {
    const old = { build: 40, minor: 54, major: 1 };
    const result = await judgeSnp(
      { report: { current: old, committed: old } },
      { minimumFirmware: { major: 1, minor: 55 } },
    );
    assert.deepEqual(idsOf(result, 'fail'), ['snp.firmware.current', 'snp.firmware.committed']);
  });

  test('a floor without a build is met by the first build', async () => {
    const first = { build: 0, minor: 55, major: 1 };
    const result = await judgeSnp(
      { report: { current: first, committed: first } },
      { minimumFirmware: { major: 1, minor: 55 } },
    );
    assert.equal(result.affirmed, true, result.summary);
  });

  test('TCB versions that differ in reserved bytes alone are told apart', async () => {
    const tcb = encodeTcb(SIMULATED_CHIPS.Milan.tcb, 'Milan');
    const text = 'bootLoader 4, tee 0, snp 24, microcode 219';
    const raw = `${text} (0xdb18000000010004: reserved bytes set)`;
    const provisional = await judgeSnp({ report: { committedTcb: tcb | 0x10000n } });
    const finding = provisional.checks.find(({ outcome }) => outcome === 'fail');
    assert.equal(finding?.id, 'snp.tcb.provisional');
    assert.equal(finding?.expected, `committed ${text}, version 1.55.40`);
    assert.equal(finding?.actual, `committed ${raw}, version 1.55.40`);
    const uncertified = await judgeSnp({ report: { reportedTcb: tcb | 0x10000n } });
    assert.equal(uncertified.code, 'SNP_TCB_MISMATCH');
    assert.match(
      uncertified.summary,
      /for TCB bootLoader 4, tee 0, snp 24, microcode 219, .* microcode 219 \(0xdb18000000010004:/,
    );
  });

  test('a shortfall names each component', async () => {
    const floor = { bootLoader: 5, tee: 0, snp: 24, microcode: 220 };
    const result = await judgeSnp({}, { minimumTcb: { Milan: { reported: floor } } });
    const finding = result.checks.find(({ id }) => id === 'snp.tcb.reported');
    assert.equal(
      finding?.reason,
      'The reported TCB falls short: bootLoader is 1 below its floor (4 of 5); microcode is 1 below its floor (219 of 220).',
    );
  });
});
