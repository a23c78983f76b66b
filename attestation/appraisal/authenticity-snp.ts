import { toHex } from '../encoding/bytes.js';
import { tcbVersionText } from '../evidence/snp-fields.js';
import type { AuthenticatedSnp } from './authenticate-snp.js';
import type { Findings } from './findings.js';
import type { SnpPolicy } from './policy-snp.js';
import { SNP_REFERENCES } from './references-snp.js';

function chipFinding(findings: Findings, snp: AuthenticatedSnp, policy: SnpPolicy): void {
  const { hwid } = snp.vek;
  if (hwid === undefined) return;
  findings.check(
    'snp.certificate.chip',
    snp.chip === 'bound',
    {
      expected: `HWID ${toHex(hwid)}`,
      actual: `CHIP_ID ${toHex(snp.report.chipId.subarray(0, hwid.length))}`,
      reference: SNP_REFERENCES.hwid,
    },
    {
      pass: 'The key is of the chip that the report names.',
      fail: 'The host masks CHIP_ID, so the report does not name its chip.',
    },
    policy.allowMaskedChipId ? 'allowMaskedChipId' : undefined,
  );
}

function revocationFinding(findings: Findings, snp: AuthenticatedSnp, policy: SnpPolicy): void {
  const dates = [...new Set(snp.revocationLists.map((date) => date.toISOString()))];
  const isChecked = dates.length > 0;
  const comparison = {
    expected: `a current CRL of ${snp.trustAnchor.commonName} without the chain’s authorities`,
    actual: isChecked ? `current, of ${dates.join(' and ')}, none listed` : 'no CRL was supplied',
    reference: SNP_REFERENCES.crl,
  };
  if (!isChecked && policy.crl !== 'optional') {
    const reason = 'Revocation could not be checked, since no CRL was supplied.';
    findings.unchecked('snp.revocation', comparison, reason);
    return;
  }
  findings.check(
    'snp.revocation',
    isChecked,
    comparison,
    {
      pass: 'No authority of the chain is revoked.',
      fail: 'Revocation was not checked, since no CRL was supplied.',
    },
    'crl: optional',
  );
}

/** Authenticity in the words of findings: what `authenticateSnp` established. */
export function authenticityFindings(
  findings: Findings,
  snp: AuthenticatedSnp,
  policy: SnpPolicy,
): void {
  const { report, signingKey, trustAnchor, product, vek } = snp;
  findings.pass(
    'snp.report',
    {
      expected: 'version 2 to 5, reserved ranges zero',
      actual: `version ${report.version}`,
      reference: SNP_REFERENCES.report,
    },
    'The report is well formed.',
  );
  findings.pass(
    'snp.signature',
    {
      expected: `ECDSA P-384 with SHA-384 by the ${signingKey}`,
      actual: 'valid',
      reference: SNP_REFERENCES.report,
    },
    `The ${signingKey} signed the report.`,
  );
  findings.pass(
    'snp.certificate.chain',
    {
      expected: `a chain to ${trustAnchor.commonName} (${trustAnchor.source}), valid at ${snp.at.toISOString()}`,
      actual: snp.chain.join(' → '),
      reference: SNP_REFERENCES.chain,
    },
    'Every certificate is signed by the one above it, named and extended as AMD does, and valid at the time.',
  );
  findings.pass(
    'snp.certificate.tcb',
    {
      expected: tcbVersionText(vek.tcb, product),
      actual: tcbVersionText(report.reportedTcb, product),
      reference: SNP_REFERENCES.certificateTcb,
    },
    'The key was derived for the TCB that the report states.',
  );
  chipFinding(findings, snp, policy);
  revocationFinding(findings, snp, policy);
}
