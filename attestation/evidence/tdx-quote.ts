import { concat, isZero } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { ByteReader } from '../encoding/reader.js';
import { type QeReport, readQeReport } from './qe-report.js';
import { encodeTdReport, readTdReport, type TdReport, tdReportKind } from './td-report.js';
import { textKind } from './text-kind.js';

/** TD Quote Header of a version 4 or 5 quote (Intel TDX DCAP Quoting Library API, appendix A.3). */
export interface QuoteHeader {
  readonly version: 4 | 5;
  /** Bytes 8 and 10: ISVSVN of the QE and of the PCE in older libraries, reserved in newer ones. */
  readonly qeSvn: number;
  readonly pceSvn: number;
  /** The first 16 bytes identify the platform to its PCCS. */
  readonly userData: Uint8Array;
}

/** A DCAP quote over a TD report. Byte fields are views of the input. */
export interface TdxQuote {
  readonly header: QuoteHeader;
  readonly report: TdReport;
  /** What the attestation key signs: header, in version 5 the body descriptor, and body. */
  readonly signedBytes: Uint8Array;
  /** ECDSA P-256 r‖s over `signedBytes`, big-endian. */
  readonly signature: Uint8Array;
  /** ECDSA P-256 public key x‖y, big-endian. */
  readonly attestationKey: Uint8Array;
  readonly qeReport: QeReport;
  /** ECDSA P-256 r‖s by the PCK over the QE report. */
  readonly qeReportSignature: Uint8Array;
  /** QE authentication data, of any length. */
  readonly qeAuthenticationData: Uint8Array;
  /** Certification data of type 5: the PCK certificate chain in PEM, leaf first. */
  readonly pckChain: Uint8Array;
  /** Zero bytes behind the quote: the rest of the platform's buffer. */
  readonly padding: number;
}

/** Generous for a quote (5 KB) and for every buffer that platforms hand out (up to 16 KiB). */
const MAX_BYTES = 128 * 1024;
const TEE_TYPE_SGX = 0;
const TEE_TYPE_TDX = 0x81;
const ECDSA_P256 = 2;
const QE_VENDOR_INTEL = Uint8Array.of(
  ...[0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9],
  ...[0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07],
);
const CERTIFICATION_PCK_CHAIN = 5;
const CERTIFICATION_QE_REPORT = 6;
const BODY_SGX = 1;
const BODIES = { 2: 584, 3: 648, 4: 885 } as const;
const BODY_TYPES = { 'TD 1.0': 2, 'TD 1.5': 3, 'TD 1.5 extended': 4 } as const;

function readHeader(reader: ByteReader, quote: Uint8Array): QuoteHeader {
  const version = reader.u16le('quote version');
  const keyType = reader.u16le('attestation key type');
  // An SEV-SNP report of version 3 begins likewise, but for the key type.
  if (version === 3 && keyType !== 0) {
    throw new AssayError('TDX_QUOTE_SGX', 'this is an SGX quote (version 3), not a TDX quote');
  }
  if (version !== 4 && version !== 5) {
    throw new AssayError(
      'TDX_QUOTE_VERSION',
      `expected quote version 4 or 5, not ${textKind(quote) ?? version}`,
    );
  }
  const teeType = reader.u32le('TEE type');
  if (teeType === TEE_TYPE_SGX) {
    throw new AssayError('TDX_QUOTE_SGX', 'this is an SGX quote (TEE type 0), not a TDX quote');
  }
  if (teeType !== TEE_TYPE_TDX) {
    throw new AssayError(
      'TDX_QUOTE_TEE_TYPE',
      `expected TEE type 0x81, not 0x${teeType.toString(16)}`,
    );
  }
  if (keyType !== ECDSA_P256) {
    throw new AssayError(
      'TDX_QUOTE_KEY_TYPE',
      `expected attestation key type 2 (ECDSA-256 with P-256), not ${keyType}`,
    );
  }
  const qeSvn = reader.u16le('QE SVN');
  const pceSvn = reader.u16le('PCE SVN');
  const vendor = reader.bytes(16, 'QE vendor id');
  if (!vendor.every((byte, i) => byte === QE_VENDOR_INTEL[i])) {
    throw new AssayError('TDX_QUOTE_VENDOR', "expected the QE vendor id to be Intel's");
  }
  return { version, qeSvn, pceSvn, userData: reader.bytes(20, 'user data') };
}

/** Size of the body that follows; version 5 says it in a descriptor (type, size). */
function readDescriptor(reader: ByteReader, version: 4 | 5): (typeof BODIES)[keyof typeof BODIES] {
  if (version === 4) return BODIES[2];
  const type = reader.u16le('body type');
  const size = reader.u32le('body size');
  if (type === BODY_SGX) {
    throw new AssayError('TDX_QUOTE_SGX', 'this is an SGX quote (body type 1), not a TDX quote');
  }
  if (type !== 2 && type !== 3 && type !== 4) {
    throw new AssayError('TDX_QUOTE_BODY', `expected body type 2, 3 or 4, not ${type}`);
  }
  if (size !== BODIES[type]) {
    throw new AssayError(
      'TDX_QUOTE_BODY',
      `expected body type ${type} to have ${BODIES[type]} bytes, not ${size}`,
    );
  }
  return BODIES[type];
}

/** Certification data: type, size and exactly that many bytes, which must fill `reader`. */
function certification(reader: ByteReader, expected: number, what: string): ByteReader {
  const type = reader.u16le(`${what} type`);
  if (type !== expected) {
    throw new AssayError(
      'TDX_QUOTE_CERTIFICATION',
      `expected ${what} of type ${expected}, not ${type}`,
    );
  }
  const data = reader.bytes(reader.u32le(`${what} size`), what);
  reader.end(what);
  return new ByteReader(data, 'TDX_QUOTE_FORMAT');
}

/**
 * Parses a version 4 or 5 TDX quote. What parses re-encodes to the same bytes; what follows the
 * signature data may only be zeros.
 * @throws AssayError TDX_QUOTE_FORMAT, _VERSION, _SGX, _TEE_TYPE, _KEY_TYPE, _VENDOR, _BODY,
 *   _CERTIFICATION or _TRAILING.
 */
export function parseTdxQuote(bytes: Uint8Array): TdxQuote {
  if (bytes.length > MAX_BYTES) {
    throw new AssayError(
      'TDX_QUOTE_FORMAT',
      `expected a quote of at most ${MAX_BYTES} bytes, not ${bytes.length}`,
    );
  }
  const reader = new ByteReader(bytes, 'TDX_QUOTE_FORMAT');
  const header = readHeader(reader, bytes);
  const bodySize = readDescriptor(reader, header.version);
  const report = readTdReport(
    new ByteReader(reader.bytes(bodySize, 'TD report'), 'TDX_QUOTE_FORMAT'),
  );
  const signedBytes = bytes.subarray(0, reader.offset);
  const signed = new ByteReader(
    reader.bytes(reader.u32le('signature data size'), 'signature data'),
    'TDX_QUOTE_FORMAT',
  );
  const padding = reader.remaining;
  if (!isZero(reader.bytes(padding, 'padding'))) {
    throw new AssayError(
      'TDX_QUOTE_TRAILING',
      `expected nothing but zero padding in the ${padding} bytes behind the quote`,
    );
  }
  const signature = signed.bytes(64, 'quote signature');
  const attestationKey = signed.bytes(64, 'attestation key');
  const qe = certification(signed, CERTIFICATION_QE_REPORT, 'QE certification data');
  const qeReport = readQeReport(qe);
  const qeReportSignature = qe.bytes(64, 'QE report signature');
  const qeAuthenticationData = qe.bytes(
    qe.u16le('QE authentication data size'),
    'QE authentication data',
  );
  const chain = certification(qe, CERTIFICATION_PCK_CHAIN, 'PCK certification data');
  return {
    header,
    report,
    signedBytes,
    signature,
    attestationKey,
    qeReport,
    qeReportSignature,
    qeAuthenticationData,
    pckChain: chain.bytes(chain.remaining, 'PCK certificate chain'),
    padding,
  };
}

function u16(value: number): Uint8Array {
  return Uint8Array.of(value & 0xff, value >> 8);
}

function u32(value: number): Uint8Array {
  return concat(u16(value & 0xffff), u16(value >>> 16));
}

/** Header, descriptor and body: the bytes that the attestation key signs. */
export function encodeSignedBytes(header: QuoteHeader, report: TdReport): Uint8Array<ArrayBuffer> {
  const body = encodeTdReport(report);
  return concat(
    u16(header.version),
    u16(ECDSA_P256),
    u32(TEE_TYPE_TDX),
    u16(header.qeSvn),
    u16(header.pceSvn),
    QE_VENDOR_INTEL,
    header.userData,
    header.version === 4
      ? new Uint8Array()
      : concat(u16(BODY_TYPES[tdReportKind(report)]), u32(body.length)),
    body,
  );
}

/** The bytes of a quote; inverse of `parseTdxQuote`. `signedBytes` is made from header and report. */
export function encodeTdxQuote(quote: Omit<TdxQuote, 'signedBytes'>): Uint8Array<ArrayBuffer> {
  const qe = concat(
    quote.qeReport.bytes,
    quote.qeReportSignature,
    u16(quote.qeAuthenticationData.length),
    quote.qeAuthenticationData,
    u16(CERTIFICATION_PCK_CHAIN),
    u32(quote.pckChain.length),
    quote.pckChain,
  );
  const signatureData = concat(
    quote.signature,
    quote.attestationKey,
    u16(CERTIFICATION_QE_REPORT),
    u32(qe.length),
    qe,
  );
  return concat(
    encodeSignedBytes(quote.header, quote.report),
    u32(signatureData.length),
    signatureData,
    new Uint8Array(quote.padding),
  );
}
