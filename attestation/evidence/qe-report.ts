import { concat } from '../encoding/bytes.js';
import type { ByteReader } from '../encoding/reader.js';

/**
 * Report of Intel's TD quoting enclave (SGX REPORT body, 384 bytes; Intel SDM volume 3D, table
 * 38-21). The reserved ranges hold what newer processors define; the PCK signs them as they are.
 */
export interface QeReport {
  /** The 384 bytes. */
  readonly bytes: Uint8Array;
  readonly cpuSvn: Uint8Array;
  /** 4 bytes. */
  readonly miscSelect: Uint8Array;
  /** 16 bytes: ATTRIBUTES.FLAGS and ATTRIBUTES.XFRM. */
  readonly attributes: Uint8Array;
  readonly mrEnclave: Uint8Array;
  readonly mrSigner: Uint8Array;
  readonly isvProdId: number;
  readonly isvSvn: number;
  /** SHA-256(attestation key ‖ QE authentication data), then 32 zero bytes. */
  readonly reportData: Uint8Array;
}

/** Reads the 384 bytes that come next. */
export function readQeReport(outer: ByteReader): QeReport {
  const bytes = outer.bytes(384, 'QE report');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return {
    bytes,
    cpuSvn: bytes.subarray(0, 16),
    miscSelect: bytes.subarray(16, 20),
    attributes: bytes.subarray(48, 64),
    mrEnclave: bytes.subarray(64, 96),
    mrSigner: bytes.subarray(128, 160),
    isvProdId: view.getUint16(256, true),
    isvSvn: view.getUint16(258, true),
    reportData: bytes.subarray(320, 384),
  };
}

/** The bytes of a report with zeros in the reserved ranges. */
export function encodeQeReport(report: Omit<QeReport, 'bytes'>): Uint8Array<ArrayBuffer> {
  const bytes = concat(
    report.cpuSvn,
    report.miscSelect,
    new Uint8Array(28),
    report.attributes,
    report.mrEnclave,
    new Uint8Array(32),
    report.mrSigner,
    new Uint8Array(160),
    report.reportData,
  );
  const view = new DataView(bytes.buffer);
  view.setUint16(256, report.isvProdId, true);
  view.setUint16(258, report.isvSvn, true);
  return bytes;
}
