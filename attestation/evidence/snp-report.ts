import { AssayError } from '../encoding/error.js';
import { ByteReader } from '../encoding/reader.js';
import { type Cpuid, keyInfo as decodeKeyInfo, isGuestPolicy } from './snp-fields.js';

/** Size of every version of the report. */
export const SNP_REPORT_SIZE = 0x4a0;
/** The signature covers the bytes before this offset. */
const SIGNED_SIZE = 0x2a0;

/** A firmware version: CURRENT_* or COMMITTED_*. */
export interface FirmwareVersion {
  readonly build: number;
  readonly minor: number;
  readonly major: number;
}

/**
 * ATTESTATION_REPORT, versions 2 to 5 (AMD 56860, "SEV Secure Nested Paging Firmware ABI
 * Specification", table "ATTESTATION_REPORT Structure"). Bit fields and TCB versions are raw
 * integers, which `snp-fields.ts` decodes; byte fields are in the order of the report.
 */
export interface SnpReport {
  readonly version: 2 | 3 | 4 | 5;
  readonly guestSvn: number;
  /** Guest policy. */
  readonly policy: bigint;
  /** 16 bytes. */
  readonly familyId: Uint8Array;
  /** 16 bytes. */
  readonly imageId: Uint8Array;
  readonly vmpl: number;
  readonly signatureAlgo: number;
  readonly currentTcb: bigint;
  readonly platformInfo: bigint;
  /** KEY_INFO: flags of the author key, the chip key's mask and the signing key. */
  readonly keyInfo: number;
  /** 64 bytes. */
  readonly reportData: Uint8Array;
  /** 48 bytes. */
  readonly measurement: Uint8Array;
  /** 32 bytes. */
  readonly hostData: Uint8Array;
  /** 48 bytes. */
  readonly idKeyDigest: Uint8Array;
  /** 48 bytes. */
  readonly authorKeyDigest: Uint8Array;
  /** 32 bytes. */
  readonly reportId: Uint8Array;
  /** 32 bytes: REPORT_ID of the migration agent. */
  readonly reportIdMa: Uint8Array;
  readonly reportedTcb: bigint;
  /** From version 3. */
  readonly cpuid: Cpuid | undefined;
  /** 64 bytes; all zero where the host masks it. */
  readonly chipId: Uint8Array;
  readonly committedTcb: bigint;
  readonly current: FirmwareVersion;
  readonly committed: FirmwareVersion;
  readonly launchTcb: bigint;
  /** From version 5. */
  readonly launchMitVector: bigint | undefined;
  /** From version 5. */
  readonly currentMitVector: bigint | undefined;
  /** r‖s, 48 bytes each and big-endian, as WebCrypto takes it (the report has them little-endian). */
  readonly signature: Uint8Array<ArrayBuffer>;
}

function fail(code: `SNP_REPORT_${Uppercase<string>}`, message: string): never {
  throw new AssayError(code, message);
}

function reportVersion(value: number): SnpReport['version'] {
  if (value === 2 || value === 3 || value === 4 || value === 5) return value;
  return fail('SNP_REPORT_VERSION', `expected a report of version 2 to 5, not ${value}`);
}

/** The bytes that the report's signature covers. */
export function signedBytes(report: Uint8Array): Uint8Array {
  return report.subarray(0, SIGNED_SIZE);
}

function guestPolicy(reader: ByteReader): bigint {
  const policy = reader.u64le('POLICY');
  if (!isGuestPolicy(policy)) {
    fail('SNP_REPORT_POLICY', 'expected guest policy bit 17 to be one and bits 63:26 to be zero');
  }
  return policy;
}

function ecdsaP384(algorithm: number): number {
  if (algorithm === 1) return algorithm;
  return fail(
    'SNP_REPORT_ALGORITHM',
    `expected signature algorithm 1 (ECDSA P-384 with SHA-384), not ${algorithm}`,
  );
}

function definedKeyInfo(raw: number): number {
  if (decodeKeyInfo(raw) !== undefined) return raw;
  return fail(
    'SNP_REPORT_KEY_INFO',
    `expected KEY_INFO with signing key 0, 1 or 7 and bits 31:5 zero, not 0x${raw.toString(16)}`,
  );
}

function firmwareVersion(reader: ByteReader, name: string): FirmwareVersion {
  const [build, minor, major] = [reader.u8(name), reader.u8(name), reader.u8(name)];
  reader.zeros(1, `the reserved byte behind ${name}`);
  return { build, minor, major };
}

function cpuidOf(reader: ByteReader, version: number): Cpuid | undefined {
  if (version === 2) return undefined;
  const [family, model, stepping] = [reader.u8('CPUID'), reader.u8('CPUID'), reader.u8('CPUID')];
  return { family, model, stepping };
}

function rawSignature(reader: ByteReader): Uint8Array<ArrayBuffer> {
  const raw = new Uint8Array(96);
  for (const [offset, name] of [
    [0, 'R'],
    [48, 'S'],
  ] as const) {
    raw.set(reader.bytes(48, name).toReversed(), offset);
    reader.zeros(24, `the upper part of ${name}`);
  }
  return raw;
}

/**
 * Parses a report of version 2 to 5 and enforces every range that must be zero, so that what parses
 * re-encodes to the same bytes. Says nothing about authenticity.
 *
 * Throws SNP_REPORT_SIZE, SNP_REPORT_VERSION, SNP_REPORT_POLICY, SNP_REPORT_ALGORITHM,
 * SNP_REPORT_KEY_INFO or SNP_REPORT_RESERVED.
 */
export function parseSnpReport(bytes: Uint8Array): SnpReport {
  if (bytes.length !== SNP_REPORT_SIZE) {
    fail('SNP_REPORT_SIZE', `expected a report of ${SNP_REPORT_SIZE} bytes, not ${bytes.length}`);
  }
  const reader = new ByteReader(bytes, 'SNP_REPORT_RESERVED');
  const version = reportVersion(reader.u32le('VERSION'));
  const guestSvn = reader.u32le('GUEST_SVN');
  const policy = guestPolicy(reader);
  const familyId = reader.bytes(16, 'FAMILY_ID');
  const imageId = reader.bytes(16, 'IMAGE_ID');
  const vmpl = reader.u32le('VMPL');
  const signatureAlgo = ecdsaP384(reader.u32le('SIGNATURE_ALGO'));
  const currentTcb = reader.u64le('CURRENT_TCB');
  const platformInfo = reader.u64le('PLATFORM_INFO');
  const keyInfo = definedKeyInfo(reader.u32le('KEY_INFO'));
  reader.zeros(4, 'the reserved range at 0x4C');
  const reportData = reader.bytes(64, 'REPORT_DATA');
  const measurement = reader.bytes(48, 'MEASUREMENT');
  const hostData = reader.bytes(32, 'HOST_DATA');
  const idKeyDigest = reader.bytes(48, 'ID_KEY_DIGEST');
  const authorKeyDigest = reader.bytes(48, 'AUTHOR_KEY_DIGEST');
  const reportId = reader.bytes(32, 'REPORT_ID');
  const reportIdMa = reader.bytes(32, 'REPORT_ID_MA');
  const reportedTcb = reader.u64le('REPORTED_TCB');
  const cpuid = cpuidOf(reader, version);
  reader.zeros(0x1a0 - reader.offset, 'the reserved range before CHIP_ID');
  const chipId = reader.bytes(64, 'CHIP_ID');
  const committedTcb = reader.u64le('COMMITTED_TCB');
  const current = firmwareVersion(reader, 'CURRENT_VERSION');
  const committed = firmwareVersion(reader, 'COMMITTED_VERSION');
  const launchTcb = reader.u64le('LAUNCH_TCB');
  const launchMitVector = version === 5 ? reader.u64le('LAUNCH_MIT_VECTOR') : undefined;
  const currentMitVector = version === 5 ? reader.u64le('CURRENT_MIT_VECTOR') : undefined;
  reader.zeros(SIGNED_SIZE - reader.offset, 'the reserved range before SIGNATURE');
  const signature = rawSignature(reader);
  reader.zeros(reader.remaining, 'the reserved range behind SIGNATURE');
  return {
    version,
    guestSvn,
    policy,
    familyId,
    imageId,
    vmpl,
    signatureAlgo,
    currentTcb,
    platformInfo,
    keyInfo,
    reportData,
    measurement,
    hostData,
    idKeyDigest,
    authorKeyDigest,
    reportId,
    reportIdMa,
    reportedTcb,
    cpuid,
    chipId,
    committedTcb,
    current,
    committed,
    launchTcb,
    launchMitVector,
    currentMitVector,
    signature,
  };
}

/** Encodes a report; the inverse of `parseSnpReport`. Byte fields must have their sizes. */
export function encodeSnpReport(report: SnpReport): Uint8Array<ArrayBuffer> {
  const bytes = new Uint8Array(SNP_REPORT_SIZE);
  const view = new DataView(bytes.buffer);
  const u64 = (offset: number, value: bigint): void => view.setBigUint64(offset, value, true);
  const u32 = (offset: number, value: number): void => view.setUint32(offset, value, true);
  const put = (offset: number, size: number, value: Uint8Array): void => {
    if (value.length !== size) {
      fail(
        'SNP_REPORT_SIZE',
        `expected ${size} bytes at 0x${offset.toString(16)}, not ${value.length}`,
      );
    }
    bytes.set(value, offset);
  };
  u32(0x00, report.version);
  u32(0x04, report.guestSvn);
  u64(0x08, report.policy);
  put(0x10, 16, report.familyId);
  put(0x20, 16, report.imageId);
  u32(0x30, report.vmpl);
  u32(0x34, report.signatureAlgo);
  u64(0x38, report.currentTcb);
  u64(0x40, report.platformInfo);
  u32(0x48, report.keyInfo);
  put(0x50, 64, report.reportData);
  put(0x90, 48, report.measurement);
  put(0xc0, 32, report.hostData);
  put(0xe0, 48, report.idKeyDigest);
  put(0x110, 48, report.authorKeyDigest);
  put(0x140, 32, report.reportId);
  put(0x160, 32, report.reportIdMa);
  u64(0x180, report.reportedTcb);
  const { cpuid: id, current, committed } = report;
  if (id !== undefined) bytes.set([id.family, id.model, id.stepping], 0x188);
  put(0x1a0, 64, report.chipId);
  u64(0x1e0, report.committedTcb);
  bytes.set([current.build, current.minor, current.major], 0x1e8);
  bytes.set([committed.build, committed.minor, committed.major], 0x1ec);
  u64(0x1f0, report.launchTcb);
  u64(0x1f8, report.launchMitVector ?? 0n);
  u64(0x200, report.currentMitVector ?? 0n);
  put(SIGNED_SIZE, 48, report.signature.slice(0, 48).toReversed());
  put(SIGNED_SIZE + 72, 48, report.signature.slice(48).toReversed());
  return bytes;
}
