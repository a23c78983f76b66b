import { tdReportKind } from '../evidence/td-report.js';
import type { AuthenticatedTdx } from './authenticate-tdx.js';
import type { Findings } from './findings.js';
import { TDX_REFERENCES } from './references-tdx.js';

/** Authenticity in the words of findings: what `authenticateTdx` established. */
export function authenticityFindings(findings: Findings, tdx: AuthenticatedTdx): void {
  const { header, report } = tdx.quote;
  findings.pass(
    'tdx.quote',
    {
      expected: 'version 4 or 5, TD 1.0 or TD 1.5',
      actual: `version ${header.version}, ${tdReportKind(report)}`,
      reference: TDX_REFERENCES.quote,
    },
    'The quote is well formed.',
  );
  findings.pass(
    'tdx.quote.signature',
    {
      expected: 'ECDSA P-256 by the attestation key that the quoting enclave certifies',
      actual: 'valid',
      reference: TDX_REFERENCES.signature,
    },
    'The quoting enclave signed the quote, and the platform’s PCK signed the quoting enclave’s report.',
  );
  findings.pass(
    'tdx.certificate.chain',
    {
      expected: `a chain to ${tdx.trustAnchor.commonName}`,
      actual: tdx.chain.join(' → '),
      reference: TDX_REFERENCES.chain,
    },
    'Every certificate is signed by the one above it, named as Intel does, and valid at the time.',
  );
  findings.pass(
    'tdx.revocation',
    {
      expected:
        'current CRLs of the root CA and of the PCK’s issuer without any of the certificates',
      actual: `current, of ${tdx.revocationLists.map((date) => date.toISOString()).join(' and ')}, none listed`,
      reference: TDX_REFERENCES.crl,
    },
    'No certificate of the chains is revoked.',
  );
  findings.pass(
    'tdx.collateral',
    {
      expected: 'TCB info and QE identity signed by Intel and within their dates',
      actual: `holds from ${tdx.window.from.toISOString()} until ${tdx.window.until.toISOString()}`,
      reference: TDX_REFERENCES.collateral,
    },
    'Intel speaks for this kind of platform at this time.',
  );
}
