import { tdReportKind } from '../evidence/td-report.js';
import type { AuthenticatedTdx } from './authenticate-tdx.js';
import type { Findings } from './findings.js';
import { TDX_REFERENCES } from './references-tdx.js';

/** Authenticity in the words of findings: what `authenticateTdx` established. */
export function authenticityFindings(findings: Findings, tdx: AuthenticatedTdx): void {
  const pass = (
    id: string,
    expected: string,
    actual: string,
    reason: string,
    reference: string,
  ): void =>
    findings.check(id, true, { expected, actual, reference }, { pass: reason, fail: reason });
  const { header, report } = tdx.quote;
  pass(
    'tdx.quote',
    'version 4 or 5, TD 1.0 or TD 1.5',
    `version ${header.version}, ${tdReportKind(report)}`,
    'The quote is well formed.',
    TDX_REFERENCES.quote,
  );
  pass(
    'tdx.quote.signature',
    'ECDSA P-256 by the attestation key that the quoting enclave certifies',
    'valid',
    'The quoting enclave signed the quote, and the platform’s PCK signed the quoting enclave’s report.',
    TDX_REFERENCES.signature,
  );
  pass(
    'tdx.certificate.chain',
    `a chain to ${tdx.trustAnchor.commonName}`,
    tdx.chain.join(' → '),
    'Every certificate is signed by the one above it, named as Intel does, and valid at the time.',
    TDX_REFERENCES.chain,
  );
  pass(
    'tdx.revocation',
    'current CRLs of the root CA and of the PCK’s issuer without any of the certificates',
    `current, of ${tdx.revocationLists.map((date) => date.toISOString()).join(' and ')}, none listed`,
    'No certificate of the chains is revoked.',
    TDX_REFERENCES.crl,
  );
  pass(
    'tdx.collateral',
    'TCB info and QE identity signed by Intel and within their dates',
    `holds from ${tdx.window.from.toISOString()} until ${tdx.window.until.toISOString()}`,
    'Intel speaks for this kind of platform at this time.',
    TDX_REFERENCES.collateral,
  );
}
