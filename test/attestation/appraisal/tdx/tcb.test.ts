import { fromHex } from '../../../../attestation/encoding/bytes.js';
import type { TdReport } from '../../../../attestation/evidence/td-report.js';
import type { IntelFault } from '../../../forge/intel.js';
import { all, each, set } from '../../../forge/json.js';
import { type TdxCase, tdxCases } from '../../../forge/tdx-case.js';

const platformStatus = (status: string) => set('tcbLevels.0.tcbStatus', status);
const moduleStatus = (status: string) => set('tdxModuleIdentities.0.tcbLevels.0.tcbStatus', status);
const qeStatus = (status: string) => set('tcbLevels.0.tcbStatus', status);
const STATUS = 'tdx.tcb.status';
const UNSUPPORTED = 'TDX_TCB_NOT_SUPPORTED';
const svn = (hex: string) => fromHex(hex.padEnd(32, '0'));

/** What an out-of-date part makes of each status of the platform (TcbLevelCheck.cpp). */
const CONVERGED: readonly (readonly [string, string])[] = [
  ['UpToDate', 'OutOfDate'],
  ['SWHardeningNeeded', 'OutOfDate'],
  ['ConfigurationNeeded', 'OutOfDateConfigurationNeeded'],
  ['ConfigurationAndSWHardeningNeeded', 'OutOfDateConfigurationNeeded'],
  ['OutOfDate', 'OutOfDate'],
  ['OutOfDateConfigurationNeeded', 'OutOfDateConfigurationNeeded'],
  ['Revoked', 'Revoked'],
];

tdxCases(
  'a platform level’s status is the quote’s',
  CONVERGED.map(([status]) => ({
    name: status,
    fault: { tcbInfo: platformStatus(status) },
    code: status === 'UpToDate' ? null : STATUS,
    status,
  })),
);

tdxCases(
  'an out-of-date module takes the platform down',
  CONVERGED.map(([platform, status]) => ({
    name: `${platform} to ${status}`,
    fault: { tcbInfo: all(platformStatus(platform), moduleStatus('OutOfDate')) },
    code: STATUS,
    status,
  })),
);

tdxCases(
  'an out-of-date quoting enclave takes the platform down',
  CONVERGED.map(([platform, status]) => ({
    name: `${platform} to ${status}`,
    fault: { tcbInfo: platformStatus(platform), qeIdentity: qeStatus('OutOfDate') },
    code: STATUS,
    status,
  })),
);

tdxCases('a revoked part revokes the platform', [
  { name: 'module', fault: { tcbInfo: moduleStatus('Revoked') }, code: STATUS, status: 'Revoked' },
  { name: 'QE', fault: { qeIdentity: qeStatus('Revoked') }, code: STATUS, status: 'Revoked' },
  {
    name: 'SGX level, above a TDX level that is out of date',
    fault: {
      tcbInfo: all(
        each('tcbLevels', ([level]) => [level ?? null, level ?? null]),
        platformStatus('Revoked'),
        set('tcbLevels.0.tcb.tdxtcbcomponents.2.svn', 4),
        set('tcbLevels.1.tcbStatus', 'OutOfDate'),
      ),
    },
    policy: { tcb: { acceptStatuses: ['OutOfDate'] } },
    code: STATUS,
    status: 'Revoked',
  },
]);

/** An older level below the one that the platform meets, and a newer one above it. */
const ladder = all(
  each('tcbLevels', ([level]) => [level ?? null, level ?? null, level ?? null]),
  set('tcbLevels.0.tcbStatus', 'OutOfDate'),
  set('tcbLevels.0.tcb.pcesvn', 5),
  set('tcbLevels.0.tcb.tdxtcbcomponents.2.svn', 1),
  set('tcbLevels.2.tcb.sgxtcbcomponents.0.svn', 4),
);
const ladderCase = (name: string, fault: IntelFault, status: string): TdxCase => ({
  name,
  fault: { ...fault, tcbInfo: ladder },
  code: status === 'UpToDate' ? null : STATUS,
  status,
});
tdxCases('levels are matched from the highest down, in whatever order they come', [
  ladderCase('meets the middle level', {}, 'UpToDate'),
  ladderCase('PCESVN too low for it', { platform: { pceSvn: 12 } }, 'OutOfDate'),
  ladderCase(
    'TDX component 2 too low for it',
    { report: (report) => ({ ...report, teeTcbSvn: svn('050102') }) },
    'OutOfDate',
  ),
  ...['sgx', 'tdx'].flatMap((kind) =>
    [0, 1].map((higher) => ({
      name: `levels that differ in ${kind} component 15 alone, the higher at ${higher}`,
      fault: {
        tcbInfo: all(
          each('tcbLevels', ([level]) => [level ?? null, level ?? null]),
          set(`tcbLevels.${higher}.tcb.${kind}tcbcomponents.15.svn`, 9),
          set(`tcbLevels.${1 - higher}.tcbStatus`, 'OutOfDate'),
        ),
      },
      code: STATUS,
      status: 'OutOfDate',
    })),
  ),
  ...[0, 1].map((higher) => ({
    name: `levels that differ in PCESVN alone, the higher at ${higher}`,
    fault: {
      tcbInfo: all(
        each('tcbLevels', ([level]) => [level ?? null, level ?? null]),
        set(`tcbLevels.${higher}.tcb.pcesvn`, 99),
        set(`tcbLevels.${1 - higher}.tcbStatus`, 'OutOfDate'),
      ),
    },
    code: STATUS,
    status: 'OutOfDate',
  })),
  {
    name: 'PCESVN below every level',
    fault: { platform: { pceSvn: 4 }, tcbInfo: ladder },
    code: UNSUPPORTED,
    status: 'TCB_NOT_SUPPORTED',
  },
  {
    name: 'TDX component 2 below every level',
    fault: {
      report: (report) => ({ ...report, teeTcbSvn: svn('050100') }),
      tcbInfo: ladder,
    },
    code: UNSUPPORTED,
    status: 'TCB_NOT_SUPPORTED',
  },
]);

tdxCases(
  'each SGX component counts',
  Array.from({ length: 16 }, (_, i) => ({
    name: `component ${i}`,
    fault: { tcbInfo: set(`tcbLevels.0.tcb.sgxtcbcomponents.${i}.svn`, 9) },
    code: UNSUPPORTED,
    status: 'TCB_NOT_SUPPORTED',
  })),
);

tdxCases(
  'TDX components count from index 2 where the module has identities of its own',
  Array.from({ length: 16 }, (_, i) => ({
    name: `component ${i}`,
    fault: { tcbInfo: set(`tcbLevels.0.tcb.tdxtcbcomponents.${i}.svn`, 9) },
    code: i < 2 ? null : UNSUPPORTED,
    status: i < 2 ? 'UpToDate' : 'TCB_NOT_SUPPORTED',
  })),
);

const firstModule: IntelFault = {
  report: (report) => ({ ...report, teeTcbSvn: svn('050003') }),
};
tdxCases('a module of version 0 is judged by the platform’s levels', [
  { name: 'up to date', fault: firstModule, code: null, status: 'UpToDate' },
  {
    name: 'component 0 counts',
    fault: { ...firstModule, tcbInfo: set('tcbLevels.0.tcb.tdxtcbcomponents.0.svn', 6) },
    code: UNSUPPORTED,
  },
  {
    name: 'component 1 counts',
    fault: { ...firstModule, tcbInfo: set('tcbLevels.0.tcb.tdxtcbcomponents.1.svn', 1) },
    code: UNSUPPORTED,
  },
  {
    name: 'signer as TCB info says',
    fault: { ...firstModule, tcbInfo: set('tdxModule.mrsigner', '01'.repeat(48)) },
    code: 'TDX_MODULE_MISMATCH',
  },
]);

tdxCases('the TDX module is the one that Intel states', [
  {
    name: 'no identity of this version',
    fault: { tcbInfo: set('tdxModuleIdentities.0.id', 'TDX_03') },
    code: 'TDX_MODULE_MISMATCH',
  },
  {
    name: 'another signer',
    fault: { tcbInfo: set('tdxModuleIdentities.0.mrsigner', '01'.repeat(48)) },
    code: 'TDX_MODULE_MISMATCH',
  },
  {
    name: 'MRSIGNERSEAM of a stranger',
    fault: { report: (report) => ({ ...report, mrSignerSeam: new Uint8Array(48).fill(1) }) },
    code: 'TDX_MODULE_MISMATCH',
  },
  {
    name: 'SEAMATTRIBUTES not zero',
    fault: { report: (report) => ({ ...report, seamAttributes: fromHex('0100000000000000') }) },
    code: 'TDX_MODULE_MISMATCH',
  },
  {
    name: 'SEAMATTRIBUTES not zero though Intel says so',
    fault: {
      report: (report) => ({ ...report, seamAttributes: fromHex('0100000000000000') }),
      tcbInfo: set('tdxModuleIdentities.0.attributes', '0100000000000000'),
    },
    code: 'TDX_MODULE_MISMATCH',
  },
  {
    name: 'SEAMATTRIBUTES zero though Intel says otherwise',
    fault: { tcbInfo: set('tdxModuleIdentities.0.attributes', '0100000000000000') },
    code: 'TDX_MODULE_MISMATCH',
  },
  {
    name: 'ISVSVN below every level',
    fault: { tcbInfo: set('tdxModuleIdentities.0.tcbLevels.0.tcb.isvsvn', 6) },
    code: UNSUPPORTED,
  },
  {
    name: 'identity in lower case',
    fault: { tcbInfo: set('tdxModuleIdentities.0.id', 'tdx_01') },
    code: null,
  },
  ...[
    { version: '0a', id: 'TDX_0A' },
    { version: '10', id: 'TDX_10' },
  ].map(({ version, id }) => ({
    name: `version 0x${version}`,
    fault: {
      report: (report: TdReport) => ({ ...report, teeTcbSvn: svn(`05${version}03`) }),
      tcbInfo: set('tdxModuleIdentities.0.id', id),
    },
    code: null,
  })),
]);

tdxCases('the quoting enclave is the one that Intel states', [
  {
    name: 'MISCSELECT',
    fault: { qeReport: { miscSelect: Uint8Array.of(1, 0, 0, 0) } },
    code: 'TDX_QE_IDENTITY',
  },
  {
    name: 'ATTRIBUTES with DEBUG',
    fault: { qeReport: { attributes: fromHex('1700000000000000e700000000000000') } },
    code: 'TDX_QE_IDENTITY',
  },
  {
    name: 'ATTRIBUTES outside the mask',
    fault: { qeReport: { attributes: fromHex('1100000000000000ff00000000000000') } },
    code: null,
  },
  {
    name: 'MRSIGNER',
    fault: { qeReport: { mrSigner: new Uint8Array(32) } },
    code: 'TDX_QE_IDENTITY',
  },
  { name: 'ISVPRODID', fault: { qeReport: { isvProdId: 1 } }, code: 'TDX_QE_IDENTITY' },
  { name: 'ISVSVN below every level', fault: { qeReport: { isvSvn: 3 } }, code: UNSUPPORTED },
]);
