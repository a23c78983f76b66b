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

interface Td15 {
  /** SVNs of the TEE TCB that is loaded now: newer than `teeTcbSvn` after a TD-preserving update. */
  readonly teeTcbSvn2: Uint8Array;
  /** Measurement of the service TDs bound to this one when it was created. */
  readonly mrServiceTd: Uint8Array;
  /** What the extended body adds; no member of a plain one. */
  readonly extension?: Td15Extension;
}

/** What the extended body of TD 1.5 adds (sgx_report2_body_v1_5_ex_t of Intel's sgx_quote_5.h). */
export interface Td15Extension {
  /** VM within a partitioned TD that the report is about; 0 for the TD itself. */
  readonly vmId: number;
  /** 32 bytes: names the TD from its launch on. */
  readonly tdId: Uint8Array;
  /** Digest of what is known of the devices that are bound to the TD. */
  readonly deviceInfo: Uint8Array;
  /** Service TDs at creation: digest, and 8 bytes of attributes. */
  readonly initServiceTdHash: Uint8Array;
  readonly initServiceTdAttributes: Uint8Array;
  /** The platform that the TD was created on: 16, 16 and 12 bytes. */
  readonly initCpuSvn: Uint8Array;
  readonly initTeeTcbSvn: Uint8Array;
  readonly initTeeFmspc: Uint8Array;
  /** Service TDs that are bound now. */
  readonly currentServiceTdHash: Uint8Array;
  readonly currentServiceTdAttributes: Uint8Array;
}

/** Kind of body, for people. */
export function tdReportKind({ td15 }: TdReport): 'TD 1.0' | 'TD 1.5' | 'TD 1.5 extended' {
  if (td15 === undefined) return 'TD 1.0';
  return td15.extension === undefined ? 'TD 1.5' : 'TD 1.5 extended';
}

function readExtension(reader: ByteReader): Td15Extension {
  return {
    vmId: reader.u8('VMID'),
    tdId: reader.bytes(32, 'TD_ID'),
    deviceInfo: reader.bytes(48, 'DEVINFO'),
    initServiceTdHash: reader.bytes(48, 'INIT_SERVTD_HASH'),
    initServiceTdAttributes: reader.bytes(8, 'INIT_SERVTD_ATTR'),
    initCpuSvn: reader.bytes(16, 'INIT_CPUSVN'),
    initTeeTcbSvn: reader.bytes(16, 'INIT_TEE_TCB_SVN'),
    initTeeFmspc: reader.bytes(12, 'INIT_TEE_FMSPC'),
    currentServiceTdHash: reader.bytes(48, 'CUR_SERVTD_HASH'),
    currentServiceTdAttributes: reader.bytes(8, 'CUR_SERVTD_ATTR'),
  };
}

function readTd15(reader: ByteReader): Td15 {
  const plain = {
    teeTcbSvn2: reader.bytes(16, 'TEE_TCB_SVN2'),
    mrServiceTd: reader.bytes(48, 'MRSERVICETD'),
  };
  return reader.remaining === 0 ? plain : { ...plain, extension: readExtension(reader) };
}

/**
 * Reads a body of 584 (TD 1.0), 648 (TD 1.5) or 885 bytes (TD 1.5 with its extension), which fills
 * `reader`.
 */
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
    td15: isTd15 ? readTd15(reader) : undefined,
  };
  reader.end('the TD report');
  return report;
}

function encodeTd15({ teeTcbSvn2, mrServiceTd, extension }: Td15): Uint8Array {
  if (extension === undefined) return concat(teeTcbSvn2, mrServiceTd);
  return concat(
    teeTcbSvn2,
    mrServiceTd,
    Uint8Array.of(extension.vmId),
    extension.tdId,
    extension.deviceInfo,
    extension.initServiceTdHash,
    extension.initServiceTdAttributes,
    extension.initCpuSvn,
    extension.initTeeTcbSvn,
    extension.initTeeFmspc,
    extension.currentServiceTdHash,
    extension.currentServiceTdAttributes,
  );
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
    report.td15 === undefined ? new Uint8Array() : encodeTd15(report.td15),
  );
}
