import { tdReportKind } from '../evidence/td-report.js';
import type { AuthenticatedTdx } from './authenticate-tdx.js';
import type { Findings } from './findings.js';

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
    'Intel TDX DCAP Quoting Library API, A.3 (Quote Format)',
  );
  pass(
    'tdx.quote.signature',
    'ECDSA P-256 by the attestation key that the quoting enclave certifies',
    'valid',
    'The quoting enclave signed the quote, and the platform’s PCK signed the quoting enclave’s report.',
    'Intel TDX DCAP Quoting Library API, A.3.8 (ECDSA 256-bit Quote Signature Data)',
  );
  pass(
    'tdx.certificate.chain',
    `a chain to ${tdx.trustAnchor.commonName}`,
    tdx.chain.join(' → '),
    'Every certificate is signed by the one above it, named as Intel does, and valid at the time.',
    'Intel SGX PCK Certificate and CRL Profile Specification; RFC 5280, section 6',
  );
  pass(
    'tdx.revocation',
    'current CRLs of the root CA and of the PCK’s issuer without any of the certificates',
    `current, of ${tdx.revocationLists.map((date) => date.toISOString()).join(' and ')}, none listed`,
    'No certificate of the chains is revoked.',
    'Intel SGX PCK Certificate and CRL Profile Specification; RFC 5280, section 6.3',
  );
  pass(
    'tdx.collateral',
    'TCB info and QE identity signed by Intel and within their dates',
    `holds from ${tdx.window.from.toISOString()} until ${tdx.window.until.toISOString()}`,
    'Intel speaks for this kind of platform at this time.',
    'Intel PCS API v4, TCB Info V3 and Enclave Identity V2',
  );
}
