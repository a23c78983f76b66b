import { ByteReader } from '../../attestation/encoding/reader.js';
import type { Platform } from './platform.js';

/** What the enclave needs of a report about itself. */
interface OwnReport {
  readonly reportData: Uint8Array;
  /** HOST_DATA (SNP, 32 bytes) or MRCONFIGID (TDX, 48 bytes). */
  readonly configuration: Uint8Array;
}

/**
 * SNP: AMD 56860, table "ATTESTATION_REPORT": REPORT_DATA at 0x50, HOST_DATA at 0xC0. TDX: quote
 * version 4, header of 48 bytes, then the TD report: MRCONFIGID at 184, REPORTDATA at 520.
 */
export function ownReport(tee: Platform['tee'], report: Uint8Array): OwnReport {
  const reader = new ByteReader(report, 'PLATFORM_REPORT');
  if (tee === 'sev-snp') {
    reader.bytes(0x50, 'fields before REPORT_DATA');
    const reportData = reader.bytes(64, 'REPORT_DATA');
    reader.bytes(48, 'MEASUREMENT');
    return { reportData, configuration: reader.bytes(32, 'HOST_DATA') };
  }
  const version = reader.u16le('quote version');
  reader.bytes(46, 'quote header');
  if (version === 5) reader.bytes(6, 'body descriptor');
  reader.bytes(184, 'fields before MRCONFIGID');
  const configuration = reader.bytes(48, 'MRCONFIGID');
  reader.bytes(288, 'fields before REPORTDATA');
  return { configuration, reportData: reader.bytes(64, 'REPORTDATA') };
}
