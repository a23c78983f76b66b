import { equalBytes, fromUtf8, isZero } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { ByteReader } from '../encoding/reader.js';
import type { Tee } from './bundle.js';
import { paravisorReportData } from './runtime-claims.js';
import { SNP_REPORT_SIZE } from './snp-report.js';

/** `HCLA`, little-endian. */
const MAGIC = 0x414c4348;
const REPORT_OFFSET = 0x20;
/** Report types of the runtime data's header: the area holds an SEV-SNP report, or a TDREPORT. */
const TYPE_SNP = 2;
const TYPE_TDX = 4;
/** TDREPORT_STRUCT (Intel TDX Module ABI). */
const TDREPORT_SIZE = 1024;
const HASH_SHA256 = 1;
const DATA_HEADER_SIZE = 20;

/**
 * What Azure's paravisor keeps in the vTPM's NV index 0x01400001: the hardware report that it asked for
 * last, and the runtime claims (the vTPM's keys, the guest's own 64 bytes) that REPORT_DATA covers.
 */
export interface HclReport {
  readonly hardware: Tee;
  /**
   * SEV-SNP report; or TDREPORT, which only the machine that made it can check: a quote of it has the
   * same REPORTDATA.
   */
  readonly report: Uint8Array;
  /** JSON as it was hashed. */
  readonly runtimeClaims: Uint8Array;
}

/** Whether these bytes begin as an HCL report does. */
export function isHclReport(bytes: Uint8Array): boolean {
  return bytes.length >= 4 && fromAscii(bytes.subarray(0, 4)) === 'HCLA';
}

function fromAscii(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

function fail(code: `HCL_${Uppercase<string>}`, message: string): never {
  throw new AssayError(code, message);
}

/**
 * Parses an HCL report (Microsoft, "Azure confidential VM guest attestation", HCL report): 32 bytes of
 * header, the hardware report (a TDREPORT with zeros up to the size of an SEV-SNP report: OpenHCL,
 * underhill_attestation, igvm_attest), a header of 20 bytes, the runtime claims, and zeros up to the size of
 * the NV index. Requires that REPORT_DATA is the SHA-256 of the claims and zeros.
 *
 * Throws HCL_FORMAT, HCL_TYPE for another kind of hardware report, or HCL_BINDING.
 */
export function parseHclReport(bytes: Uint8Array): HclReport {
  const reader = new ByteReader(bytes, 'HCL_FORMAT');
  if (reader.u32le('signature') !== MAGIC) fail('HCL_FORMAT', 'expected HCLA as the first bytes');
  const version = reader.u32le('version');
  if (version !== 1 && version !== 2) fail('HCL_FORMAT', `expected version 1 or 2, not ${version}`);
  const size = reader.u32le('report size');
  reader.u32le('request type');
  reader.zeros(REPORT_OFFSET - reader.offset, 'status and reserved words');
  const area = reader.bytes(SNP_REPORT_SIZE, 'hardware report');
  const dataSize = reader.u32le('data size');
  const dataVersion = reader.u32le('data version');
  if (dataVersion !== 1) fail('HCL_FORMAT', `expected data version 1, not ${dataVersion}`);
  const type = reader.u32le('report type');
  if (type !== TYPE_SNP && type !== TYPE_TDX) {
    fail('HCL_TYPE', `expected an SEV-SNP report (2) or a TDREPORT (4), not type ${type}`);
  }
  const hash = reader.u32le('hash type');
  if (hash !== HASH_SHA256)
    fail('HCL_TYPE', `expected claims hashed with SHA-256 (1), not ${hash}`);
  const claimsSize = reader.u32le('claims size');
  const whole = REPORT_OFFSET + SNP_REPORT_SIZE + DATA_HEADER_SIZE + claimsSize;
  if (dataSize !== DATA_HEADER_SIZE + claimsSize || size !== whole) {
    fail('HCL_FORMAT', 'the three sizes of the HCL report contradict each other');
  }
  const runtimeClaims = reader.bytes(claimsSize, 'runtime claims');
  reader.zeros(reader.remaining, 'the end of the NV index');
  const isSnp = type === TYPE_SNP;
  const report = isSnp ? area : area.subarray(0, TDREPORT_SIZE);
  if (!isZero(area.subarray(report.length)))
    fail('HCL_FORMAT', 'expected zeros behind the TDREPORT');
  const reportData = isSnp ? report.subarray(0x50, 0x90) : report.subarray(128, 192);
  if (!equalBytes(reportData, paravisorReportData(runtimeClaims))) {
    fail('HCL_BINDING', 'REPORT_DATA does not cover the runtime claims');
  }
  fromUtf8(runtimeClaims);
  return { hardware: isSnp ? 'sev-snp' : 'tdx', report, runtimeClaims };
}
