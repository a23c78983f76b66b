import type { AssayError } from '../encoding/error.js';
import { SNP_REFERENCES } from './references-snp.js';
import { type Rules, refusal } from './refusal.js';
import type { AttestationResult } from './result.js';

const RULES: Rules = {
  SNP_REPORT: [
    'an ATTESTATION_REPORT of version 2 to 5, reserved ranges zero',
    SNP_REFERENCES.report,
  ],
  SNP_UNSIGNED: ['a report that the firmware signed', SNP_REFERENCES.report],
  SNP_SIGNATURE: ['ECDSA P-384 with SHA-384 by the certified key', SNP_REFERENCES.report],
  SNP_VEK: ['one certificate of the key that KEY_INFO names', SNP_REFERENCES.report],
  SNP_PRODUCT: ['one known product line in CPUID and certificate', SNP_REFERENCES.chain],
  SNP_TCB: ['a certificate for REPORTED_TCB', SNP_REFERENCES.certificateTcb],
  SNP_HWID: ['a certificate whose HWID is CHIP_ID', SNP_REFERENCES.hwid],
  SNP_ROOT: ['a chain to a root that is trusted', SNP_REFERENCES.chain],
  SNP_CERTIFICATE: ['certificates as AMD issues them, valid at the time', SNP_REFERENCES.chain],
  SNP_CRL: ['a current CRL that the root signed', SNP_REFERENCES.crl],
  SNP_REVOKED: ['authorities that AMD has not revoked', SNP_REFERENCES.crl],
  SNP_AUXBLOB: ['a certificate table as the kernel’s auxblob has it', SNP_REFERENCES.auxblob],
  X509: ['certificates and lists in DER or PEM', SNP_REFERENCES.chain],
  ASN1: ['certificates and lists in DER or PEM', SNP_REFERENCES.chain],
  CRL: ['a well-formed revocation list', SNP_REFERENCES.crl],
  HCL: ['an HCL report whose REPORT_DATA covers its runtime claims', SNP_REFERENCES.hcl],
  CRYPTO: ['a platform that can check the vendor’s signatures', SNP_REFERENCES.chain],
  ENDORSEMENTS: ['the certificates that endorse the report', SNP_REFERENCES.chain],
};

/** A result for a report that is not authentic, or that could not be authenticated. */
export function snpRefusal(error: AssayError, at: Date): AttestationResult {
  const { documents } = SNP_REFERENCES;
  const refused = { tee: 'sev-snp', evidence: 'report', rules: RULES, documents } as const;
  return refusal(refused, error, at);
}
