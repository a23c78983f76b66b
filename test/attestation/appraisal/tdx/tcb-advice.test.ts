import assert from 'node:assert/strict';
import { test } from 'node:test';
import { verifyTdx } from '../../../../attestation/appraisal/verify-tdx.js';
import { fromHex } from '../../../../attestation/encoding/bytes.js';
import { forgeTdx, type IntelFault } from '../../../forge/intel.js';
import { all, each, set } from '../../../forge/json.js';
import { tdxPolicy } from '../../../forge/platform-policy.js';
import { referenceValues, type TdxCase, tdxCases } from '../../../forge/tdx-case.js';

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
/** Above the platform's level one of the same SGX components, whose microcode only the loaded TCB has. */
const newerMicrocode = (status: string) =>
  all(
    each('tcbLevels', ([level]) => [level ?? null, level ?? null]),
    set('tcbLevels.0.tcb.tdxtcbcomponents.2.svn', 4),
    set('tcbLevels.1.tcbStatus', status),
  );
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
  relaunch(
    'the TDX level alone needs configuration',
    relaunched([newerMicrocode('ConfigurationNeeded')], '050104'),
    'TDRelaunchAdvisedConfigurationNeeded',
  ),
  relaunch(
    'the TDX level alone is out of date',
    relaunched([newerMicrocode('OutOfDate')], '050104'),
    'TDRelaunchAdvised',
  ),
  relaunch(
    'the TDX level alone is out of date, of a TD under the latest module',
    {
      ...relaunched([newerMicrocode('OutOfDate')]),
      report: (report) => ({
        ...report,
        teeTcbSvn: svn('050103'),
        td15: { teeTcbSvn2: svn('050104'), mrServiceTd: new Uint8Array(48) },
      }),
    },
    'OutOfDate',
  ),
  relaunch(
    'the TDX level alone is revoked',
    relaunched([newerMicrocode('Revoked')], '050104'),
    'Revoked',
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
    name: 'another advisory accepted',
    fault: { tcbInfo: set('tcbLevels.0.advisoryIDs', ['INTEL-SA-00616']) },
    policy: named('2027-01-01T00:00:00Z'),
    code: 'tdx.tcb.advisories',
  },
  {
    name: 'one of two advisories accepted',
    fault: { tcbInfo: set('tcbLevels.0.advisoryIDs', ['INTEL-SA-00615', 'INTEL-SA-00616']) },
    policy: named('2027-01-01T00:00:00Z'),
    code: 'tdx.tcb.advisories',
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
  {
    name: 'another kind of id than is known',
    fault: { tcbInfo: set('tcbLevels.0.advisoryIDs', ['INTEL-NEW-1']) },
    code: 'tdx.tcb.advisories',
  },
  {
    name: 'another kind of id, accepted',
    fault: { tcbInfo: set('tcbLevels.0.advisoryIDs', ['INTEL-NEW-1']) },
    policy: { tcb: { acceptAdvisories: [{ id: 'INTEL-NEW-1', until: '2027-01-01T00:00:00Z' }] } },
    code: null,
    waived: ['tdx.tcb.advisories'],
  },
  {
    name: 'a document, which is no advisory',
    fault: { tcbInfo: set('tcbLevels.0.advisoryIDs', ['INTEL-DOC-10000']) },
    code: null,
    status: 'UpToDate',
  },
  {
    name: 'a document, accepted by name all the same',
    fault: { tcbInfo: set('tcbLevels.0.advisoryIDs', ['INTEL-DOC-10000']) },
    policy: {
      tcb: { acceptAdvisories: [{ id: 'INTEL-DOC-10000', until: '2026-01-01T00:00:00Z' }] },
    },
    code: null,
  },
]);

test('a document is told beside the advisories, and not among them', async () => {
  const cases = [
    {
      ids: ['INTEL-DOC-10000'],
      actual: 'none; informational: INTEL-DOC-10000',
      reason:
        'No security advisory applies to the platform. Intel informs of it in INTEL-DOC-10000.',
    },
    {
      ids: ['INTEL-SA-00615', 'INTEL-DOC-10000'],
      actual: 'INTEL-SA-00615; informational: INTEL-DOC-10000',
      reason: 'Security advisories apply to the platform: INTEL-SA-00615.',
    },
  ];
  for (const { ids, actual, reason } of cases) {
    const { quote, collateral, roots } = await forgeTdx({
      tcbInfo: set('tcbLevels.0.advisoryIDs', ids),
    });
    const trusted = { at: new Date('2026-11-21T00:00:00Z'), roots };
    const result = await verifyTdx(quote, collateral, tdxPolicy(referenceValues()), trusted);
    const found = result.checks.find(({ id }) => id === 'tdx.tcb.advisories');
    assert.deepEqual([found?.actual, found?.reason], [actual, reason]);
    assert.deepEqual(result.tcb?.advisories, [...ids].sort());
  }
});
