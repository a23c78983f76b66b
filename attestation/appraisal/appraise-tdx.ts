import { toHex } from '../encoding/bytes.js';
import { paravisorReportData } from '../evidence/runtime-claims.js';
import type { AuthenticatedTdx } from './authenticate-tdx.js';
import { authenticityFindings } from './authenticity-tdx.js';
import { appraiseCcel, appraiseRuntimeLog } from './event-log-tdx.js';
import { Findings } from './findings.js';
import { attributeFindings, xfamFindings } from './flags-tdx.js';
import type { TdxPolicy } from './policy-tdx.js';
import { TDX_REFERENCES } from './references-tdx.js';
import type { Finding } from './result.js';
import { serviceTdFindings } from './service-td.js';
import { appraiseTdxTcb } from './tcb-tdx.js';

/** Values that the caller knows beside its policy: a bundle's binding, a launch policy's digest. */
export interface TdxExpectations {
  /** Expected REPORTDATA, 64 bytes. */
  readonly reportData?: Uint8Array;
  /** Expected MRCONFIGID, 48 bytes. */
  readonly mrConfigId?: Uint8Array;
  /** Expected RTMR3, 48 bytes. */
  readonly rtmr3?: Uint8Array;
  /** Log of the firmware and boot loader (ACPI's CCEL), to be replayed against the RTMRs. */
  readonly eventLog?: Uint8Array;
  /** Azure: JSON whose SHA-256, followed by zeros, REPORTDATA must be. */
  readonly runtimeClaims?: Uint8Array;
  /** Assay's own log, to be replayed against RTMR3. */
  readonly runtimeLog?: Uint8Array;
}

const MEASURED = ['mrTd', 'rtmr0', 'rtmr1', 'rtmr2'] as const;

/** The registers that measure the guest must all have reference values. */
function measurementFinding(findings: Findings, tdx: AuthenticatedTdx, policy: TdxPolicy): void {
  const { report } = tdx.quote;
  const [rtmr0, rtmr1, rtmr2] = report.rtmrs;
  const actual = { mrTd: report.mrTd, rtmr0, rtmr1, rtmr2 };
  const unknown = MEASURED.filter((name) => policy[name] === undefined);
  const refused = unknown.filter((name) => !policy.allowUnknown?.includes(name));
  const shown = (refused.length > 0 ? refused : unknown).map(
    (name) => `${name} ${toHex(actual[name])}`,
  );
  findings.check(
    'tdx.measurement',
    unknown.length === 0,
    {
      expected: 'reference values for mrTd, rtmr0, rtmr1 and rtmr2 in the policy',
      actual: unknown.length === 0 ? 'all four' : `none, where the quote has ${shown.join(', ')}`,
      reference: TDX_REFERENCES.report,
    },
    {
      pass: 'The policy knows every register that measures the guest.',
      fail: `The policy has no reference values for ${unknown.join(', ')}: they would have to contain what the quote has.`,
    },
    refused.length === 0 ? 'allowUnknown' : undefined,
  );
}

/** Identity fields: judged where the policy or the caller names what they must be. */
function identityFindings(
  findings: Findings,
  { quote: { report }, platform }: AuthenticatedTdx,
  policy: TdxPolicy,
  expectations: TdxExpectations,
): void {
  const among = (
    id: string,
    name: string,
    actual: Uint8Array,
    accepted: readonly string[] | undefined,
  ): void => {
    findings.among(id, name, toHex(actual), accepted, TDX_REFERENCES.report);
  };
  const one = (bytes: Uint8Array | undefined): string[] | undefined =>
    bytes === undefined ? undefined : [toHex(bytes)];
  const { reportData, mrConfigId, rtmrs } = report;
  among('tdx.report-data', 'REPORTDATA', reportData, one(expectations.reportData));
  among('tdx.policy.report-data', 'REPORTDATA', reportData, policy.reportData);
  among('tdx.mr-config-id', 'MRCONFIGID', mrConfigId, one(expectations.mrConfigId));
  among('tdx.policy.mr-config-id', 'MRCONFIGID', mrConfigId, policy.mrConfigId);
  among('tdx.rtmr3', 'RTMR3', rtmrs[3], one(expectations.rtmr3));
  among('tdx.mr-td', 'MRTD', report.mrTd, policy.mrTd);
  const accepted = [policy.rtmr0, policy.rtmr1, policy.rtmr2, policy.rtmr3];
  rtmrs.forEach((rtmr, i) => {
    among(`tdx.policy.rtmr${i}`, `RTMR${i}`, rtmr, accepted[i]);
  });
  among('tdx.mr-seam', 'MRSEAM', report.mrSeam, policy.mrSeam);
  among('tdx.mr-signer-seam', 'MRSIGNERSEAM', report.mrSignerSeam, policy.mrSignerSeam);
  among('tdx.mr-owner', 'MROWNER', report.mrOwner, policy.mrOwner);
  among('tdx.mr-owner-config', 'MROWNERCONFIG', report.mrOwnerConfig, policy.mrOwnerConfig);
  findings.among('tdx.platform.ppid', 'PPID', platform.ppid, policy.ppids, TDX_REFERENCES.platform);
  findings.among(
    'tdx.platform.fmspc',
    'FMSPC',
    platform.fmspc,
    policy.fmspcs,
    TDX_REFERENCES.platform,
  );
  serviceTdFindings(findings, report, policy);
}

/**
 * Judges what an authentic quote says: every check is made and told, none is thrown. The result's
 * order is stable. A policy's member that the quote cannot satisfy fails.
 */
export function appraiseTdx(
  authenticated: AuthenticatedTdx,
  policy: TdxPolicy,
  expectations: TdxExpectations = {},
): readonly Finding[] {
  const findings = new Findings();
  const { report } = authenticated.quote;
  authenticityFindings(findings, authenticated);
  appraiseTdxTcb(findings, authenticated, policy);
  attributeFindings(findings, report.tdAttributes, policy);
  xfamFindings(findings, report.xfam, policy);
  measurementFinding(findings, authenticated, policy);
  identityFindings(findings, authenticated, policy, expectations);
  const { eventLog, runtimeLog, runtimeClaims } = expectations;
  if (runtimeClaims !== undefined) {
    const expected = toHex(paravisorReportData(runtimeClaims));
    findings.check(
      'tdx.runtime-claims',
      toHex(report.reportData) === expected,
      { expected, actual: toHex(report.reportData), reference: TDX_REFERENCES.hcl },
      {
        pass: 'REPORTDATA covers the runtime claims.',
        fail: 'REPORTDATA does not cover the runtime claims.',
      },
    );
  }
  if (eventLog !== undefined) {
    appraiseCcel(findings, authenticated, eventLog, runtimeLog !== undefined);
  }
  if (runtimeLog !== undefined) appraiseRuntimeLog(findings, authenticated, runtimeLog);
  return findings.all;
}
