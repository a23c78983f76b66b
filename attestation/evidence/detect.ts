import { isHclReport } from './hcl.js';
import { SNP_REPORT_SIZE } from './snp-report.js';

/** Kinds of evidence that a file may hold. `cbor`: one of Assay's own, which its profile names. */
export type EvidenceKind = 'cbor' | 'azure-hcl' | 'snp-report' | 'tdx-quote';

/**
 * Tells evidence by its first bytes and its size; whether it holds is its decoder's to say. An SGX
 * quote counts as a TDX quote, whose decoder refuses it by name. Undefined for anything else.
 */
export function detectEvidence(bytes: Uint8Array): EvidenceKind | undefined {
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  if (isHclReport(bytes)) return 'azure-hcl';
  // SNP: VERSION, 4 bytes. DCAP: version, then attestation key type 2 (ECDSA P-256), 2 bytes each.
  const isSmall = a >= 2 && a <= 5 && b === 0 && d === 0;
  if (isSmall && c === 0 && bytes.length === SNP_REPORT_SIZE) return 'snp-report';
  if (isSmall && a >= 3 && c !== 0) return 'tdx-quote';
  return a >> 5 === 5 ? 'cbor' : undefined;
}
