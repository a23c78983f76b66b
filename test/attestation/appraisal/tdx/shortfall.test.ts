import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { TdxTcbResult } from '../../../../attestation/appraisal/result.js';
import { TdxCache } from '../../../../attestation/appraisal/tdx-cache.js';
import { verifyTdx } from '../../../../attestation/appraisal/verify-tdx.js';
import { fromHex } from '../../../../attestation/encoding/bytes.js';
import { forgeTdx, type IntelFault } from '../../../forge/intel.js';
import { all, each, set } from '../../../forge/json.js';
import { tdxPolicy } from '../../../forge/platform-policy.js';

async function tcbOf(fault: IntelFault): Promise<TdxTcbResult> {
  const { quote, collateral, roots } = await forgeTdx(fault);
  const options = { at: new Date('2026-11-21T00:00:00Z'), roots, cache: new TdxCache() };
  const { tcb } = await verifyTdx(quote, collateral, tdxPolicy({}), options);
  return tcb ?? assert.fail('expected a result with a TCB');
}

const twice = each('tcbLevels', ([level]) => [level ?? null, level ?? null]);
const DAY = '2024-11-13';
const met = {
  sgx: `SGX level of ${DAY} (UpToDate)`,
  tdx: `TDX level of ${DAY} (UpToDate)`,
  module: `TDX module TDX_01 level of ${DAY} (UpToDate)`,
  qe: `QE level of ${DAY} (UpToDate)`,
};

/** A platform that misses what the table says, and nothing else. */
const CASES: readonly {
  readonly name: string;
  readonly fault: IntelFault;
  readonly status: string;
  readonly matched: readonly string[];
  /** Level, component, required and actual SVN. */
  readonly missed: readonly (readonly [string, string, number, number])[];
}[] = [
  {
    name: 'nothing',
    fault: {},
    status: 'UpToDate',
    matched: Object.values(met),
    missed: [],
  },
  {
    name: 'nothing, with no more than the levels of module and quoting enclave need',
    fault: {
      tcbInfo: set('tdxModuleIdentities.0.tcbLevels.0.tcb.isvsvn', 5),
      qeReport: { isvSvn: 4 },
    },
    status: 'UpToDate',
    matched: Object.values(met),
    missed: [],
  },
  {
    name: 'the only SGX level by a component with a name',
    fault: {
      tcbInfo: set('tcbLevels.0.tcb.sgxtcbcomponents.5', {
        svn: 2,
        category: 'OS/VMM',
        type: 'ACM',
      }),
    },
    status: 'TCB_NOT_SUPPORTED',
    matched: [met.module, met.qe],
    missed: [[met.sgx, 'sgxtcbcomponents[5] (OS/VMM ACM)', 2, 1]],
  },
  {
    name: 'the only SGX level by PCESVN',
    fault: { platform: { pceSvn: 12 } },
    status: 'TCB_NOT_SUPPORTED',
    matched: [met.module, met.qe],
    missed: [[met.sgx, 'pcesvn', 13, 12]],
  },
  {
    name: 'the first of two components and the PCESVN',
    fault: {
      platform: { pceSvn: 12 },
      tcbInfo: all(
        set('tcbLevels.0.tcb.sgxtcbcomponents.1.svn', 9),
        set('tcbLevels.0.tcb.sgxtcbcomponents.2.svn', 9),
      ),
    },
    status: 'TCB_NOT_SUPPORTED',
    matched: [met.module, met.qe],
    missed: [[met.sgx, 'sgxtcbcomponents[1]', 9, 3]],
  },
  {
    name: 'every TDX level, while an SGX level is met',
    fault: {
      report: (report) => ({
        ...report,
        teeTcbSvn: fromHex('05010200000000000000000000000000'),
      }),
    },
    status: 'TCB_NOT_SUPPORTED',
    matched: [met.sgx, met.module, met.qe],
    missed: [[met.tdx, 'tdxtcbcomponents[2]', 3, 2]],
  },
  {
    name: 'every level of the module',
    fault: { tcbInfo: set('tdxModuleIdentities.0.tcbLevels.0.tcb.isvsvn', 6) },
    status: 'TCB_NOT_SUPPORTED',
    matched: [met.sgx, met.tdx, met.qe],
    missed: [[met.module, 'isvsvn', 6, 5]],
  },
  {
    name: 'every level of the quoting enclave',
    fault: { qeReport: { isvSvn: 3 } },
    status: 'TCB_NOT_SUPPORTED',
    matched: [met.sgx, met.tdx, met.module],
    missed: [[met.qe, 'isvsvn', 4, 3]],
  },
  {
    name: 'a higher SGX level and a higher TDX level',
    fault: {
      tcbInfo: all(
        each('tcbLevels', ([level]) => [level ?? null, level ?? null, level ?? null]),
        set('tcbLevels.0.tcb.sgxtcbcomponents.0.svn', 4),
        set('tcbLevels.1.tcb.tdxtcbcomponents.2.svn', 4),
        set('tcbLevels.2.tcbStatus', 'OutOfDate'),
      ),
    },
    status: 'OutOfDate',
    matched: [met.sgx, `TDX level of ${DAY} (OutOfDate)`, met.module, met.qe],
    missed: [
      [met.sgx, 'sgxtcbcomponents[0]', 4, 3],
      [met.tdx, 'tdxtcbcomponents[2]', 4, 3],
    ],
  },
  {
    name: 'a higher level of the module and of the quoting enclave',
    fault: {
      tcbInfo: all(
        each('tdxModuleIdentities.0.tcbLevels', ([level]) => [level ?? null, level ?? null]),
        set('tdxModuleIdentities.0.tcbLevels.0.tcb.isvsvn', 9),
        set('tdxModuleIdentities.0.tcbLevels.1.tcbStatus', 'OutOfDate'),
      ),
      qeIdentity: all(
        twice,
        set('tcbLevels.0.tcb.isvsvn', 8),
        set('tcbLevels.1.tcbStatus', 'OutOfDate'),
      ),
    },
    status: 'OutOfDate',
    matched: [
      met.sgx,
      met.tdx,
      `TDX module TDX_01 level of ${DAY} (OutOfDate)`,
      `QE level of ${DAY} (OutOfDate)`,
    ],
    missed: [
      [met.module, 'isvsvn', 9, 5],
      [met.qe, 'isvsvn', 8, 5],
    ],
  },
];

test('the result names the levels that are met, and what keeps the platform from others', async (t) => {
  for (const { name, fault, status, matched, missed } of CASES) {
    await t.test(`misses ${name}`, async () => {
      const tcb = await tcbOf(fault);
      assert.equal(tcb.status, status);
      assert.deepEqual(tcb.matched, matched);
      assert.deepEqual(
        tcb.missed,
        missed.map(([level, component, required, actual]) => ({
          level,
          component,
          required,
          actual,
        })),
      );
      assert.equal(tcb.evaluationDataNumber, 18);
    });
  }
});
