import { AssayError } from '../encoding/error.js';
import { isHclReport } from './hcl.js';
import { SNP_REPORT_SIZE } from './snp-report.js';
import { textKind } from './text-kind.js';

/** Kinds of evidence that a file may hold. `cbor`: one of Assay's own, which its profile names. */
export type EvidenceKind = 'cbor' | 'azure-hcl' | 'snp-report' | 'tdx-quote';

const TEE_TYPE_TDX = 0x81;

/**
 * Tells evidence by its first bytes and its size; whether it holds is its decoder's to say. An SGX
 * quote counts as a TDX quote, whose decoder refuses it by name, and so does a quote of another
 * version.
 * @throws AssayError ENCODING_EVIDENCE for anything else, with what it looks like.
 */
export function detectEvidence(bytes: Uint8Array): EvidenceKind {
  const [a = 0, b = 0, c = 0, d = 0, e = 0] = bytes;
  if (isHclReport(bytes)) return 'azure-hcl';
  // SNP: VERSION, 4 bytes. DCAP: version, then attestation key type 2 (ECDSA P-256), 2 bytes each.
  const isSmall = a >= 2 && a <= 5 && b === 0 && d === 0;
  if (isSmall && c === 0 && bytes.length === SNP_REPORT_SIZE) return 'snp-report';
  if (isSmall && a >= 3 && c !== 0) return 'tdx-quote';
  if (b === 0 && d === 0 && c !== 0 && e === TEE_TYPE_TDX) return 'tdx-quote';
  if (a >> 5 === 5) return 'cbor';
  const found = isSmall && c === 0 ? shortReport(a, bytes.length) : likeness(bytes);
  throw new AssayError(
    'ENCODING_EVIDENCE',
    `expected an Assay bundle, an SEV-SNP report, a TDX quote, an Azure HCL report or a collected report, not ${found}`,
  );
}

function shortReport(version: number, size: number): string {
  return `${size} bytes that begin like an SEV-SNP report of version ${version}, which has ${SNP_REPORT_SIZE}`;
}

/** What bytes of no kind look like. */
function likeness(bytes: Uint8Array): string {
  if (bytes.length === 0) return 'an empty file';
  return textKind(bytes) ?? `${bytes.length} bytes that begin like none of these`;
}
