import { concat } from '../encoding/bytes.js';
import type { ByteReader } from '../encoding/reader.js';

/**
 * TD Quote Body: what the TDX module states of a TD (Intel TDX DCAP Quoting Library API, appendix
 * A.3.2; names of the Intel TDX Module ABI, TDREPORT_STRUCT). Digests are SHA-384, 48 bytes.
 */
export interface TdReport {
  /** SVNs of the TEE TCB, 16 bytes: [0] ISVSVN and [1] version of the TDX module. */
  readonly teeTcbSvn: Uint8Array;
  readonly mrSeam: Uint8Array;
  readonly mrSignerSeam: Uint8Array;
  /** 8 bytes, little-endian bit field. */
  readonly seamAttributes: Uint8Array;
  /** 8 bytes, little-endian bit field. */
  readonly tdAttributes: Uint8Array;
  /** 8 bytes, little-endian bit field. */
  readonly xfam: Uint8Array;
  readonly mrTd: Uint8Array;
  readonly mrConfigId: Uint8Array;
  readonly mrOwner: Uint8Array;
  readonly mrOwnerConfig: Uint8Array;
  readonly rtmrs: readonly [Uint8Array, Uint8Array, Uint8Array, Uint8Array];
  /** 64 bytes. */
  readonly reportData: Uint8Array;
  /** What TD 1.5 adds; undefined for a TD 1.0 body. */
  readonly td15: Td15 | undefined;
}

export interface Td15 {
  /** SVNs of the TEE TCB that is loaded now: newer than `teeTcbSvn` after a TD-preserving update. */
  readonly teeTcbSvn2: Uint8Array;
  /** Measurement of the service TDs bound to this one. */
  readonly mrServiceTd: Uint8Array;
}

/** Reads a body of 584 (TD 1.0) or 648 bytes (TD 1.5), which fills `reader`. */
export function readTdReport(reader: ByteReader): TdReport {
  const isTd15 = reader.remaining > 584;
  const report = {
    teeTcbSvn: reader.bytes(16, 'TEE_TCB_SVN'),
    mrSeam: reader.bytes(48, 'MRSEAM'),
    mrSignerSeam: reader.bytes(48, 'MRSIGNERSEAM'),
    seamAttributes: reader.bytes(8, 'SEAMATTRIBUTES'),
    tdAttributes: reader.bytes(8, 'TDATTRIBUTES'),
    xfam: reader.bytes(8, 'XFAM'),
    mrTd: reader.bytes(48, 'MRTD'),
    mrConfigId: reader.bytes(48, 'MRCONFIGID'),
    mrOwner: reader.bytes(48, 'MROWNER'),
    mrOwnerConfig: reader.bytes(48, 'MROWNERCONFIG'),
    rtmrs: [
      reader.bytes(48, 'RTMR0'),
      reader.bytes(48, 'RTMR1'),
      reader.bytes(48, 'RTMR2'),
      reader.bytes(48, 'RTMR3'),
    ] as const,
    reportData: reader.bytes(64, 'REPORTDATA'),
    td15: isTd15
      ? {
          teeTcbSvn2: reader.bytes(16, 'TEE_TCB_SVN2'),
          mrServiceTd: reader.bytes(48, 'MRSERVICETD'),
        }
      : undefined,
  };
  reader.end('the TD report');
  return report;
}

/** The bytes of a body; inverse of `readTdReport`. */
export function encodeTdReport(report: TdReport): Uint8Array<ArrayBuffer> {
  return concat(
    report.teeTcbSvn,
    report.mrSeam,
    report.mrSignerSeam,
    report.seamAttributes,
    report.tdAttributes,
    report.xfam,
    report.mrTd,
    report.mrConfigId,
    report.mrOwner,
    report.mrOwnerConfig,
    ...report.rtmrs,
    report.reportData,
    report.td15?.teeTcbSvn2 ?? new Uint8Array(),
    report.td15?.mrServiceTd ?? new Uint8Array(),
  );
}
