import { AssayError } from '../encoding/error.js';
import { isHclReport, parseHclReport } from './hcl.js';
import { decodeSnpEvidence } from './snp-evidence.js';

/** A report out of whatever shape it came in, and what came with it. */
export interface SnpInput {
  readonly report: Uint8Array;
  /** Azure: the JSON that REPORT_DATA covers; undefined elsewhere. */
  readonly runtimeClaims: Uint8Array | undefined;
  /** The bytes as the platform gave them: the report, or the HCL report around it. */
  readonly evidence: Uint8Array;
  /** DER, from a collected file; else empty. */
  readonly certificates: readonly Uint8Array[];
  /** DER, from a collected file; else empty. */
  readonly crls: readonly Uint8Array[];
}

function unwrapped(evidence: Uint8Array): Pick<SnpInput, 'report' | 'runtimeClaims' | 'evidence'> {
  if (!isHclReport(evidence)) return { report: evidence, runtimeClaims: undefined, evidence };
  const { hardware, report, runtimeClaims } = parseHclReport(evidence);
  if (hardware !== 'sev-snp') {
    throw new AssayError('HCL_TYPE', 'the HCL report is of a TDX guest: verify its quote with it');
  }
  return { report, runtimeClaims, evidence };
}

/**
 * Opens a raw report, an Azure HCL report or a file that `assay collect` wrote; the first byte tells
 * them apart. Throws HCL_* or BUNDLE_*; a raw report is not parsed here.
 */
export function openSnpInput(bytes: Uint8Array): SnpInput {
  const isCborMap = (bytes[0] ?? 0) >> 5 === 5;
  if (!isCborMap) return { ...unwrapped(bytes), certificates: [], crls: [] };
  const { evidence, certificates, crls } = decodeSnpEvidence(bytes);
  return { ...unwrapped(evidence), certificates, crls };
}
