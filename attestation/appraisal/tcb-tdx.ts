import { fromHex, toHex } from '../encoding/bytes.js';
import type { AuthenticatedTdx } from './authenticate-tdx.js';
import type { Findings } from './findings.js';
import type { TdxPolicy } from './policy-tdx.js';
import { TDX_REFERENCES } from './references-tdx.js';

/** What stands between the platform and an up-to-date one. */
function shortfalls({ tcb }: AuthenticatedTdx): string {
  if (tcb.missed.length === 0) return '';
  const all = tcb.missed.map(
    ({ level, component, required, actual }) =>
      `the ${level} needs ${component} ${required}, it has ${actual}`,
  );
  return ` Levels that it does not meet: ${all.join('; ')}.`;
}

function statusFinding(findings: Findings, tdx: AuthenticatedTdx, policy: TdxPolicy): void {
  const { tcb } = tdx;
  const accepted = (policy.tcb?.acceptStatuses ?? []).map((item) =>
    typeof item === 'string' ? { status: item, until: undefined } : item,
  );
  const named = accepted.filter(({ status }) => status === tcb.status);
  const open = named.some(({ until }) => until === undefined || tdx.at <= new Date(until));
  const parts = `SGX ${tcb.sgx}, TDX ${tcb.tdx}, module ${tcb.module}, QE ${tcb.qe}`;
  const expected = accepted
    .filter(({ status }) => status !== 'UpToDate')
    .map(({ status, until }) => (until === undefined ? status : `${status} until ${until}`));
  findings.check(
    'tdx.tcb.status',
    tcb.status === 'UpToDate',
    {
      expected: ['UpToDate', ...expected].join(' or '),
      actual: `${tcb.status} (${parts})`,
      reference: TDX_REFERENCES.tcb,
    },
    {
      pass: `Intel knows no reason to update the platform: it meets the ${tcb.matched.join(', ')}.`,
      fail: `The platform meets the ${tcb.matched.join(', ')}.${shortfalls(tdx)}${
        named.length > 0 && !open ? ` The exception for ${tcb.status} is over.` : ''
      }`,
    },
    open ? 'tcb.acceptStatuses' : undefined,
  );
}

/** Intel's documents, which its service names among the advisories, also of what is up to date. */
export const INFORMATIONAL = /^INTEL-DOC-\d+$/;

/**
 * Advisories count whatever the status: each must be accepted by name, and the time not be over. Documents
 * are told and do not count; an id of a kind that is not known counts.
 */
function advisoryFinding(findings: Findings, tdx: AuthenticatedTdx, policy: TdxPolicy): void {
  const advisories = tdx.tcb.advisories.filter((id) => !INFORMATIONAL.test(id));
  const documents = tdx.tcb.advisories.filter((id) => INFORMATIONAL.test(id)).join(', ');
  const named = policy.tcb?.acceptAdvisories ?? [];
  const open = advisories.filter(
    (id) => !named.some((item) => item.id === id && tdx.at <= new Date(item.until)),
  );
  const expired = open.filter((id) => named.some((item) => item.id === id));
  const actual = advisories.length === 0 ? 'none' : advisories.join(', ');
  findings.check(
    'tdx.tcb.advisories',
    advisories.length === 0,
    {
      expected:
        named.length === 0
          ? 'none'
          : `none but ${named.map(({ id, until }) => `${id} until ${until}`).join(', ')}`,
      actual: documents === '' ? actual : `${actual}; informational: ${documents}`,
      reference: TDX_REFERENCES.tcb,
    },
    {
      pass: `No security advisory applies to the platform.${
        documents === '' ? '' : ` Intel informs of it in ${documents}.`
      }`,
      fail: `Security advisories apply to the platform: ${(open.length > 0 ? open : advisories).join(', ')}.${
        expired.length > 0 ? ` The exception for ${expired.join(', ')} is over.` : ''
      }`,
    },
    open.length === 0 ? 'tcb.acceptAdvisories' : undefined,
  );
}

function floorFindings(findings: Findings, tdx: AuthenticatedTdx, policy: TdxPolicy): void {
  const { minimumEvaluationDataNumber, minimumTeeTcbSvn, minimumTcbDate } = policy.tcb ?? {};
  if (minimumEvaluationDataNumber !== undefined) {
    const actual = Math.min(tdx.tcb.evaluationDataNumber, tdx.qeEvaluationDataNumber);
    findings.check(
      'tdx.tcb.evaluation-data-number',
      actual >= minimumEvaluationDataNumber,
      {
        expected: `at least ${minimumEvaluationDataNumber}`,
        actual: `TCB info ${tdx.tcb.evaluationDataNumber}, QE identity ${tdx.qeEvaluationDataNumber}`,
        reference: TDX_REFERENCES.evaluationDataNumber,
      },
      {
        pass: 'The collateral is of a TCB recovery that is recent enough.',
        fail: 'The collateral is of an older TCB recovery than the policy accepts.',
      },
    );
  }
  if (minimumTeeTcbSvn !== undefined) {
    const actual = tdx.quote.report.teeTcbSvn;
    const low = [...fromHex(minimumTeeTcbSvn)].findIndex((floor, i) => (actual[i] ?? 0) < floor);
    findings.check(
      'tdx.tcb.tee-tcb-svn',
      low < 0,
      {
        expected: `each byte at least ${minimumTeeTcbSvn}`,
        actual: toHex(actual),
        reference: TDX_REFERENCES.teeTcbSvn,
      },
      {
        pass: 'TEE_TCB_SVN meets its floors.',
        fail: `Component ${low} of TEE_TCB_SVN is below its floor.`,
      },
    );
  }
  if (minimumTcbDate !== undefined) {
    findings.check(
      'tdx.tcb.date',
      tdx.tcb.date >= new Date(minimumTcbDate),
      {
        expected: `not before ${minimumTcbDate}`,
        actual: tdx.tcb.date.toISOString(),
        reference: TDX_REFERENCES.tcb,
      },
      {
        pass: 'The TCB level that the platform meets is recent enough.',
        fail: 'The TCB level that the platform meets is older than the policy accepts.',
      },
    );
  }
}

/** TCB status, advisories and floors. */
export function appraiseTdxTcb(
  findings: Findings,
  authenticated: AuthenticatedTdx,
  policy: TdxPolicy,
): void {
  statusFinding(findings, authenticated, policy);
  advisoryFinding(findings, authenticated, policy);
  floorFindings(findings, authenticated, policy);
}
