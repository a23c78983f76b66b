import { toHex } from '../encoding/bytes.js';
import type { VekExtensions } from '../endorsements/amd-extensions.js';
import { paravisorReportData } from '../evidence/runtime-claims.js';
import { keyInfo } from '../evidence/snp-fields.js';
import type { SnpReport } from '../evidence/snp-report.js';
import type { AuthenticatedSnp } from './authenticate-snp.js';
import { authenticityFindings } from './authenticity-snp.js';
import { Findings } from './findings.js';
import { guestPolicyFindings, platformFindings } from './flags-snp.js';
import type { SnpPolicy } from './policy-snp.js';
import { SNP_REFERENCES } from './references-snp.js';
import type { Finding } from './result.js';
import { appraiseSnpTcb } from './tcb-snp.js';

/** Values that the caller knows beside its policy: a bundle's binding, a launch policy's digest. */
export interface SnpExpectations {
  /** Expected REPORT_DATA, 64 bytes. */
  readonly reportData?: Uint8Array;
  /** Expected HOST_DATA, 32 bytes. */
  readonly hostData?: Uint8Array;
  /** Azure: JSON whose SHA-256, followed by zeros, REPORT_DATA must be. */
  readonly runtimeClaims?: Uint8Array;
}

function measurementFinding(findings: Findings, measurement: string, policy: SnpPolicy): void {
  const values = policy.measurements;
  findings.check(
    'snp.measurement',
    values?.includes(measurement) ?? false,
    {
      expected: values?.join(' or ') ?? 'a reference value in the policy’s member measurements',
      actual: measurement,
      reference: SNP_REFERENCES.report,
    },
    {
      pass: 'The guest was launched from a known image.',
      fail:
        values === undefined
          ? `The policy has no reference values: measurements would have to contain ${measurement}.`
          : 'The guest was launched from an image that the policy does not know.',
    },
  );
}

/** The cloud provider that a VLEK names. A VCEK names none, so that it is of none that is accepted. */
function providerFinding(findings: Findings, { cspId }: VekExtensions, policy: SnpPolicy): void {
  const accepted = policy.cspIds;
  if (accepted === undefined) return;
  findings.check(
    'snp.csp-id',
    cspId !== undefined && accepted.includes(cspId),
    {
      expected: accepted.join(' or '),
      actual: cspId ?? 'none in a VCEK',
      reference: SNP_REFERENCES.cspId,
    },
    {
      pass: 'CSP_ID is as expected.',
      fail:
        cspId === undefined
          ? 'A VCEK signed the report: it names a chip, and no cloud provider.'
          : 'CSP_ID is not one that is accepted.',
    },
  );
}

function authorKeyFindings(findings: Findings, report: SnpReport, policy: SnpPolicy): void {
  const authorDigest = toHex(report.authorKeyDigest);
  findings.among(
    'snp.author-key',
    'AUTHOR_KEY_DIGEST',
    authorDigest,
    policy.authorKeyDigests,
    SNP_REFERENCES.report,
  );
  if (policy.requireAuthorKey === true || policy.authorKeyDigests !== undefined) {
    const enabled = keyInfo(report.keyInfo)?.authorKeyEn === true;
    findings.check(
      'snp.author-key.enabled',
      enabled,
      {
        expected: 'AUTHOR_KEY_EN 1',
        actual: `AUTHOR_KEY_EN ${enabled ? 1 : 0}`,
        reference: SNP_REFERENCES.report,
      },
      { pass: 'An author key certified the ID key.', fail: 'No author key certified the ID key.' },
    );
  }
}

/** Identity fields: judged where the policy or the caller names what they must be. */
function identityFindings(
  findings: Findings,
  { report, vek, signingKey, product }: AuthenticatedSnp,
  policy: SnpPolicy,
  expectations: SnpExpectations,
): void {
  const among = (
    id: string,
    name: string,
    actual: string,
    accepted: readonly string[] | undefined,
    reference: string = SNP_REFERENCES.report,
  ): void => findings.among(id, name, actual, accepted, reference);
  const one = (bytes: Uint8Array | undefined): string[] | undefined =>
    bytes === undefined ? undefined : [toHex(bytes)];
  const reportData = toHex(report.reportData);
  const hostData = toHex(report.hostData);
  among('snp.report-data', 'REPORT_DATA', reportData, one(expectations.reportData));
  if (expectations.runtimeClaims !== undefined) {
    const covered = toHex(paravisorReportData(expectations.runtimeClaims));
    among(
      'snp.runtime-claims',
      'The digest of the runtime claims',
      reportData,
      [covered],
      SNP_REFERENCES.hcl,
    );
  }
  among('snp.policy.report-data', 'REPORT_DATA', reportData, policy.reportData);
  among('snp.host-data', 'HOST_DATA', hostData, one(expectations.hostData));
  among('snp.policy.host-data', 'HOST_DATA', hostData, policy.hostData);
  among('snp.family-id', 'FAMILY_ID', toHex(report.familyId), policy.familyIds);
  among('snp.image-id', 'IMAGE_ID', toHex(report.imageId), policy.imageIds);
  among('snp.report-id', 'REPORT_ID', toHex(report.reportId), policy.reportIds);
  among('snp.report-id-ma', 'REPORT_ID_MA', toHex(report.reportIdMa), policy.reportIdsMa);
  among('snp.id-key', 'ID_KEY_DIGEST', toHex(report.idKeyDigest), policy.idKeyDigests);
  among('snp.chip-id', 'CHIP_ID', toHex(report.chipId), policy.chipIds);
  among('snp.product', 'The product line', product, policy.products);
  among('snp.signing-key', 'The signing key', signingKey, policy.signingKeys);
  providerFinding(findings, vek, policy);
  authorKeyFindings(findings, report, policy);
}

function mitigationFindings(findings: Findings, report: SnpReport, policy: SnpPolicy): void {
  const vectors = { launch: report.launchMitVector, current: report.currentMitVector };
  for (const name of ['launch', 'current'] as const) {
    const wanted = policy.mitigations?.[name];
    if (wanted === undefined) continue;
    const actual = vectors[name];
    const missing = wanted & ~(actual ?? 0n);
    findings.check(
      `snp.mitigations.${name}`,
      actual !== undefined && missing === 0n,
      {
        expected: `all of 0x${wanted.toString(16)}`,
        actual:
          actual === undefined ? `none in version ${report.version}` : `0x${actual.toString(16)}`,
        reference: SNP_REFERENCES.report,
      },
      {
        pass: `Every mitigation that the policy names was active (${name}).`,
        fail:
          actual === undefined
            ? 'Only reports of version 5 state mitigations.'
            : `Mitigations are missing: 0x${missing.toString(16)}.`,
      },
    );
  }
}

function versionFindings(
  findings: Findings,
  { report }: AuthenticatedSnp,
  policy: SnpPolicy,
): void {
  const accepted = policy.vmpl ?? [0];
  findings.check(
    'snp.vmpl',
    accepted.includes(report.vmpl),
    {
      expected: accepted.join(' or '),
      actual: String(report.vmpl),
      reference: SNP_REFERENCES.report,
    },
    {
      pass: 'The report was asked for at an accepted privilege level.',
      fail: 'The report was asked for at a privilege level that is not accepted.',
    },
  );
  if (policy.minimumGuestSvn !== undefined) {
    findings.check(
      'snp.guest-svn',
      report.guestSvn >= policy.minimumGuestSvn,
      {
        expected: `at least ${policy.minimumGuestSvn}`,
        actual: String(report.guestSvn),
        reference: SNP_REFERENCES.report,
      },
      { pass: 'GUEST_SVN meets its floor.', fail: 'GUEST_SVN is below its floor.' },
    );
  }
  mitigationFindings(findings, report, policy);
}

/**
 * Judges what an authentic report says: every check is made and told, none is thrown. The result's
 * order is stable: what makes a guest unsafe (DEBUG, an old TCB) comes before which guest it is, so
 * that a verdict's code names the graver fault. A policy's member that the report cannot satisfy fails.
 */
export function appraiseSnp(
  authenticated: AuthenticatedSnp,
  policy: SnpPolicy,
  expectations: SnpExpectations = {},
): readonly Finding[] {
  const findings = new Findings();
  const { report } = authenticated;
  authenticityFindings(findings, authenticated, policy);
  guestPolicyFindings(findings, report.policy, policy);
  platformFindings(findings, report.platformInfo, policy);
  versionFindings(findings, authenticated, policy);
  appraiseSnpTcb(findings, authenticated, policy);
  measurementFinding(findings, toHex(report.measurement), policy);
  identityFindings(findings, authenticated, policy, expectations);
  return findings.all;
}
