import { parseSnpReport } from '../../attestation/evidence/snp-report.js';
import { parseTdxQuote } from '../../attestation/evidence/tdx-quote.js';
import type { Platform } from './platform.js';

/** What the enclave needs of a report about itself. */
interface OwnReport {
  readonly reportData: Uint8Array;
  /** HOST_DATA (SNP, 32 bytes) or MRCONFIGID (TDX, 48 bytes). */
  readonly configuration: Uint8Array;
}

/** Parses strictly: a report that Assay's own verifier would refuse to read is refused here too. */
export function ownReport(tee: Platform['tee'], report: Uint8Array): OwnReport {
  if (tee === 'sev-snp') {
    const { reportData, hostData } = parseSnpReport(report);
    return { reportData, configuration: hostData };
  }
  const { reportData, mrConfigId } = parseTdxQuote(report).report;
  return { reportData, configuration: mrConfigId };
}
