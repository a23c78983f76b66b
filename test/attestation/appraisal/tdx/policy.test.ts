import { utf8 } from '../../../../attestation/encoding/bytes.js';
import { paravisorReportData } from '../../../../attestation/evidence/runtime-claims.js';
import { extended, type IntelFault } from '../../../forge/intel.js';
import { set } from '../../../forge/json.js';
import { referenceValues, type TdxCase, tdxCases } from '../../../forge/tdx-case.js';

const other = (bytes: number) => ['ab'.repeat(bytes)];

const mismatch = (member: string, bytes: number, code: string, version: 4 | 5 = 4): TdxCase => ({
  name: `${member} of another`,
  fault: { version },
  policy: { [member]: other(bytes) },
  code,
});

tdxCases('each reference value is compared', [
  mismatch('mrTd', 48, 'tdx.mr-td'),
  mismatch('rtmr0', 48, 'tdx.policy.rtmr0'),
  mismatch('rtmr1', 48, 'tdx.policy.rtmr1'),
  mismatch('rtmr2', 48, 'tdx.policy.rtmr2'),
  mismatch('rtmr3', 48, 'tdx.policy.rtmr3'),
  mismatch('mrSeam', 48, 'tdx.mr-seam'),
  mismatch('mrSignerSeam', 48, 'tdx.mr-signer-seam'),
  mismatch('mrConfigId', 48, 'tdx.policy.mr-config-id'),
  mismatch('mrOwner', 48, 'tdx.mr-owner'),
  mismatch('mrOwnerConfig', 48, 'tdx.mr-owner-config'),
  mismatch('mrServiceTd', 48, 'tdx.mr-service-td', 5),
  mismatch('reportData', 64, 'tdx.policy.report-data'),
  mismatch('tdAttributes', 8, 'tdx.attributes'),
  mismatch('xfam', 8, 'tdx.xfam'),
  mismatch('ppids', 16, 'tdx.platform.ppid'),
  mismatch('fmspcs', 6, 'tdx.platform.fmspc'),
  {
    name: 'one of several',
    policy: { mrConfigId: [...other(48), '00'.repeat(48)] },
    code: null,
  },
  {
    name: 'MRSERVICETD expected of a TD 1.0',
    policy: { mrServiceTd: ['00'.repeat(48)] },
    code: 'tdx.mr-service-td',
  },
]);

const bound = new Uint8Array(48).fill(0xcd);

const inExtension = (change: Parameters<typeof extended>[0]): IntelFault => ({
  version: 5,
  report: extended(change),
});

tdxCases('an extended body tells of service TDs, devices and VMs within', [
  {
    name: 'a service TD at creation',
    fault: inExtension({ initServiceTdHash: bound }),
    code: 'tdx.service-td.initial',
  },
  {
    name: 'a service TD bound since',
    fault: inExtension({ currentServiceTdHash: bound }),
    code: 'tdx.service-td.current',
  },
  { name: 'a device', fault: inExtension({ deviceInfo: bound }), code: 'tdx.device-info' },
  {
    name: 'a device that the policy names',
    fault: inExtension({ deviceInfo: bound }),
    policy: { deviceInfo: ['CD'.repeat(48)] },
    code: null,
  },
  {
    name: 'a device expected of a plain body',
    fault: { version: 5 },
    policy: { deviceInfo: ['cd'.repeat(48)] },
    code: 'tdx.device-info',
  },
  { name: 'a VM within', fault: inExtension({ vmId: 1 }), code: 'tdx.vm-id' },
  {
    name: 'service TDs that the policy names',
    fault: {
      version: 5,
      report: (report) => {
        const plain = extended({ initServiceTdHash: bound, currentServiceTdHash: bound })(report);
        return { ...plain, td15: plain.td15 && { ...plain.td15, mrServiceTd: bound } };
      },
    },
    policy: { mrServiceTd: ['cd'.repeat(48)] },
    code: null,
  },
]);

tdxCases('what the caller expects is compared', [
  {
    name: 'REPORTDATA',
    expectations: { reportData: new Uint8Array(64).fill(1) },
    code: 'tdx.report-data',
  },
  {
    name: 'REPORTDATA cut off',
    expectations: { reportData: new Uint8Array(63) },
    code: 'tdx.report-data',
  },
  {
    name: 'MRCONFIGID',
    expectations: { mrConfigId: new Uint8Array(48).fill(1) },
    code: 'tdx.mr-config-id',
  },
  { name: 'RTMR3', expectations: { rtmr3: new Uint8Array(48).fill(1) }, code: 'tdx.rtmr3' },
  {
    name: 'RTMR3 as it is',
    fault: {
      report: (report) => {
        const [rtmr0, rtmr1, rtmr2] = report.rtmrs;
        return { ...report, rtmrs: [rtmr0, rtmr1, rtmr2, new Uint8Array(48).fill(1)] };
      },
    },
    expectations: { rtmr3: new Uint8Array(48).fill(1) },
    code: null,
  },
  {
    name: 'runtime claims',
    expectations: { runtimeClaims: utf8('{}') },
    code: 'tdx.runtime-claims',
  },
  {
    name: 'runtime claims as they are',
    fault: { report: (report) => ({ ...report, reportData: paravisorReportData(utf8('{}')) }) },
    expectations: { runtimeClaims: utf8('{}') },
    code: null,
  },
]);

const known = Object.keys(referenceValues());

tdxCases('every register that measures the guest needs reference values', [
  ...known.map((member) => ({
    name: `${member} missing`,
    policy: { [member]: undefined },
    code: 'tdx.measurement',
  })),
  ...known.map((member) => ({
    name: `${member} allowed to be unknown`,
    policy: { [member]: undefined, allowUnknown: [member] },
    code: null,
    waived: ['tdx.measurement'],
  })),
]);

tdxCases('floors', [
  {
    name: 'TEE_TCB_SVN component 0',
    policy: { tcb: { minimumTeeTcbSvn: '06000000000000000000000000000000' } },
    code: 'tdx.tcb.tee-tcb-svn',
  },
  {
    name: 'TEE_TCB_SVN component 15',
    policy: { tcb: { minimumTeeTcbSvn: '05010300000000000000000000000001' } },
    code: 'tdx.tcb.tee-tcb-svn',
  },
  {
    name: 'TEE_TCB_SVN equal',
    policy: { tcb: { minimumTeeTcbSvn: '05010300000000000000000000000000' } },
    code: null,
  },
  {
    name: 'tcbEvaluationDataNumber of TCB info',
    fault: { tcbInfo: set('tcbEvaluationDataNumber', 17) },
    policy: { tcb: { minimumEvaluationDataNumber: 18 } },
    code: 'tdx.tcb.evaluation-data-number',
  },
  {
    name: 'tcbEvaluationDataNumber of the QE identity',
    fault: { qeIdentity: set('tcbEvaluationDataNumber', 17) },
    policy: { tcb: { minimumEvaluationDataNumber: 18 } },
    code: 'tdx.tcb.evaluation-data-number',
  },
  {
    name: 'tcbEvaluationDataNumber equal',
    policy: { tcb: { minimumEvaluationDataNumber: 18 } },
    code: null,
  },
  {
    name: 'TCB date',
    policy: { tcb: { minimumTcbDate: '2024-11-14T00:00:00Z' } },
    code: 'tdx.tcb.date',
  },
  {
    name: 'TCB date equal',
    policy: { tcb: { minimumTcbDate: '2024-11-13T00:00:00Z' } },
    code: null,
  },
]);
