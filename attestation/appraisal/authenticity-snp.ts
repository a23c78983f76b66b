import type { AuthenticatedSnp } from './authenticate-snp.js';
import type { Findings } from './findings.js';
import type { SnpPolicy } from './policy-snp.js';

const REPORT = 'AMD 56860, section 7.3 (Attestation), ATTESTATION_REPORT';

/** Authenticity in the words of findings: what `authenticateSnp` established. */
export function authenticityFindings(
  findings: Findings,
  snp: AuthenticatedSnp,
  policy: SnpPolicy,
): void {
  const chain = snp.chain.join(' → ');
  const pass = (id: string, expected: string, actual: string, reason: string, reference: string) =>
    findings.check(id, true, { expected, actual, reference }, { pass: reason, fail: reason });
  pass(
    'snp.report',
    'version 2 to 5, reserved ranges zero',
    `version ${snp.report.version}`,
    'The report is well formed.',
    REPORT,
  );
  pass(
    'snp.signature',
    `ECDSA P-384 with SHA-384 by the ${snp.signingKey}`,
    'valid',
    `The ${snp.signingKey} signed the report.`,
    REPORT,
  );
  pass(
    'snp.certificate.chain',
    `a chain to ${snp.trustAnchor.commonName}, valid at ${snp.at.toISOString()}`,
    chain,
    'Every certificate is signed by the one above it, named and extended as AMD does, and valid at the time.',
    'AMD 57230 (VCEK certificate and KDS); RFC 5280, section 6',
  );
  pass(
    'snp.certificate.tcb',
    'REPORTED_TCB of the report',
    'equal',
    'The key was derived for the TCB that the report states.',
    'AMD 57230 (VCEK certificate), TCB extensions',
  );
  if (snp.chip === 'bound') {
    pass(
      'snp.certificate.chip',
      'CHIP_ID of the report',
      'equal',
      'The key is of the chip that the report names.',
      'AMD 57230 (VCEK certificate), HWID',
    );
  } else if (snp.chip === 'masked') {
    findings.check(
      'snp.certificate.chip',
      false,
      {
        expected: 'the HWID of the certificate as CHIP_ID',
        actual: 'all zeros',
        reference: 'AMD 57230 (VCEK certificate), HWID',
      },
      { pass: '', fail: 'The host masks CHIP_ID, so the report does not name its chip.' },
      policy.allowMaskedChipId ? 'allowMaskedChipId' : undefined,
    );
  }
  const revocation = {
    expected: `a current CRL of ${snp.trustAnchor.commonName} without the chain’s authorities`,
    actual: snp.revocationChecked ? 'current, none listed' : 'no CRL was supplied',
    reference: 'AMD 57230 (KDS), CRL; RFC 5280, section 6.3',
  };
  if (snp.revocationChecked || policy.crl === 'optional') {
    findings.check(
      'snp.revocation',
      snp.revocationChecked,
      revocation,
      {
        pass: 'No authority of the chain is revoked.',
        fail: 'Revocation was not checked, since no CRL was supplied.',
      },
      "crl: 'optional'",
    );
  } else {
    findings.unchecked(
      'snp.revocation',
      revocation,
      'Revocation could not be checked, since no CRL was supplied.',
    );
  }
}
