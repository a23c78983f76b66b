import { fromHex } from '../../../../attestation/encoding/bytes.js';
import type { IntelFault } from '../../../forge/intel.js';
import { all, each, set } from '../../../forge/json.js';
import { type TdxCase, tdxCases } from '../../../forge/tdx-case.js';

const platformStatus = (status: string) => set('tcbLevels.0.tcbStatus', status);
const qeStatus = (status: string) => set('tcbLevels.0.tcbStatus', status);
const STATUS = 'tdx.tcb.status';
const svn = (hex: string) => fromHex(hex.padEnd(32, '0'));

/** A TD launched under module SVN 3 while SVN 5 runs now; Intel's latest is 4. */
const relaunched = (edits: readonly ((text: string) => string)[], now = '050103'): IntelFault => ({
  version: 5,
  report: (report) => ({
    ...report,
    teeTcbSvn: svn('030103'),
    td15: { teeTcbSvn2: svn(now), mrServiceTd: new Uint8Array(48) },
  }),
  tcbInfo: all(
    each('tdxModuleIdentities.0.tcbLevels', ([level]) => [level ?? null, level ?? null]),
    set('tdxModuleIdentities.0.tcbLevels.1.tcb.isvsvn', 2),
    set('tdxModuleIdentities.0.tcbLevels.1.tcbStatus', 'OutOfDate'),
    ...edits,
  ),
});
const relaunch = (name: string, fault: IntelFault, status: string): TdxCase => ({
  name,
  fault,
  code: STATUS,
  status,
});
tdxCases('a relaunch is advised where it would mend the status', [
  relaunch('latest module is loaded', relaunched([]), 'TDRelaunchAdvised'),
  relaunch(
    'platform needs configuration',
    relaunched([platformStatus('ConfigurationNeeded')]),
    'TDRelaunchAdvisedConfigurationNeeded',
  ),
  relaunch(
    'platform needs configuration and hardening',
    relaunched([platformStatus('ConfigurationAndSWHardeningNeeded')]),
    'TDRelaunchAdvisedConfigurationNeeded',
  ),
  relaunch(
    'platform needs hardening',
    relaunched([platformStatus('SWHardeningNeeded')]),
    'TDRelaunchAdvised',
  ),
  relaunch(
    'the SGX level alone needs configuration',
    relaunched(
      [
        each('tcbLevels', ([level]) => [level ?? null, level ?? null]),
        platformStatus('ConfigurationNeeded'),
        set('tcbLevels.0.tcb.tdxtcbcomponents.2.svn', 4),
      ],
      '050104',
    ),
    'TDRelaunchAdvisedConfigurationNeeded',
  ),
  relaunch('an older module is loaded', relaunched([], '030103'), 'OutOfDate'),
  relaunch('older microcode is loaded', relaunched([], '050102'), 'OutOfDate'),
  relaunch(
    'module of version 0 is loaded, the latest',
    relaunched([], '050003'),
    'TDRelaunchAdvised',
  ),
  relaunch('module of version 0 is loaded, an older one', relaunched([], '040003'), 'OutOfDate'),
  relaunch('platform is out of date', relaunched([platformStatus('OutOfDate')]), 'OutOfDate'),
  relaunch(
    'platform is out of date and needs configuration',
    relaunched([platformStatus('OutOfDateConfigurationNeeded')]),
    'OutOfDateConfigurationNeeded',
  ),
  relaunch(
    'quoting enclave is out of date',
    { ...relaunched([]), qeIdentity: qeStatus('OutOfDate') },
    'OutOfDate',
  ),
  relaunch(
    'quoting enclave is revoked',
    { ...relaunched([]), qeIdentity: qeStatus('Revoked') },
    'Revoked',
  ),
  {
    name: 'a module without identity is loaded',
    fault: relaunched([], '050203'),
    code: 'TDX_MODULE_MISMATCH',
  },
  relaunch(
    'a TD 1.0 body tells nothing of the loaded module',
    {
      ...relaunched([]),
      report: (report) => ({ ...report, teeTcbSvn: svn('030103'), td15: undefined }),
    },
    'OutOfDate',
  ),
]);

const advisories = all(
  platformStatus('SWHardeningNeeded'),
  set('tcbLevels.0.advisoryIDs', ['INTEL-SA-00615']),
);
const named = (until: string) => ({
  tcb: {
    acceptStatuses: ['SWHardeningNeeded'],
    acceptAdvisories: [{ id: 'INTEL-SA-00615', until }],
  },
});
tdxCases('exceptions for statuses and advisories are named, and end', [
  {
    name: 'status accepted',
    fault: { tcbInfo: platformStatus('ConfigurationNeeded') },
    policy: { tcb: { acceptStatuses: ['ConfigurationNeeded'] } },
    code: null,
    waived: [STATUS],
  },
  {
    name: 'another status accepted',
    fault: { tcbInfo: platformStatus('OutOfDate') },
    policy: { tcb: { acceptStatuses: ['ConfigurationNeeded'] } },
    code: STATUS,
  },
  {
    name: 'status accepted until this very time',
    fault: { tcbInfo: platformStatus('OutOfDate') },
    policy: { tcb: { acceptStatuses: [{ status: 'OutOfDate', until: '2026-11-21T00:00:00Z' }] } },
    code: null,
    waived: [STATUS],
  },
  {
    name: 'the exception for the status is over',
    fault: { tcbInfo: platformStatus('OutOfDate') },
    policy: { tcb: { acceptStatuses: [{ status: 'OutOfDate', until: '2026-11-20T23:59:59Z' }] } },
    code: STATUS,
  },
  {
    name: 'status and advisory accepted',
    fault: { tcbInfo: advisories },
    policy: named('2027-01-01T00:00:00Z'),
    code: null,
    waived: [STATUS, 'tdx.tcb.advisories'],
  },
  {
    name: 'advisory accepted until this very time',
    fault: { tcbInfo: advisories },
    policy: named('2026-11-21T00:00:00Z'),
    code: null,
    waived: [STATUS, 'tdx.tcb.advisories'],
  },
  {
    name: 'the exception for the advisory is over',
    fault: { tcbInfo: advisories },
    policy: named('2026-11-20T23:59:59Z'),
    code: 'tdx.tcb.advisories',
    waived: [STATUS],
  },
  {
    name: 'advisory not accepted',
    fault: { tcbInfo: advisories },
    policy: { tcb: { acceptStatuses: ['SWHardeningNeeded'] } },
    code: 'tdx.tcb.advisories',
    waived: [STATUS],
  },
  {
    name: 'advisory of the quoting enclave',
    fault: { qeIdentity: set('tcbLevels.0.advisoryIDs', ['INTEL-SA-00615']) },
    code: 'tdx.tcb.advisories',
  },
  {
    name: 'advisory of the module',
    fault: {
      tcbInfo: set('tdxModuleIdentities.0.tcbLevels.0.advisoryIDs', ['INTEL-SA-00615']),
    },
    code: 'tdx.tcb.advisories',
  },
]);
