import { equalBytes, fromHex } from '../encoding/bytes.js';
import { type CertificateRevocationList, parseCrl } from '../encoding/crl.js';
import { AssayError, type ErrorCode } from '../encoding/error.js';
import { JsonFields, parseStrictJson } from '../encoding/json.js';
import { strictPemBlocks } from '../encoding/pem.js';
import { type Certificate, parseCertificate } from '../encoding/x509.js';
import {
  parseQeIdentity,
  parseTcbInfo,
  type QeIdentity,
  type Signed,
  type TcbInfo,
} from './tcb-info.js';

/**
 * Collateral of one platform as it travels in files and bundles: the answers of Intel's PCS. Chains
 * are PEM, issuer first and root last; CRLs are
 * hexadecimal DER or PEM, signatures (r‖s) hexadecimal; `tcb_info` and
 * `qe_identity` are the exact text that Intel signed.
 */
export interface CollateralText {
  readonly pck_crl_issuer_chain: string;
  readonly root_ca_crl: string;
  readonly pck_crl: string;
  readonly tcb_info_issuer_chain: string;
  readonly tcb_info: string;
  readonly tcb_info_signature: string;
  readonly qe_identity_issuer_chain: string;
  readonly qe_identity: string;
  readonly qe_identity_signature: string;
  /** The chain of the quote that it was gathered for, PCK first, as dcap-qvl adds it. Never trusted. */
  readonly pck_certificate_chain?: string;
}

/** Collateral in any of its forms: the file's JSON as text or as bytes, or its members. */
export type CollateralInput = CollateralText | string | Uint8Array;

/** Parsed collateral; nothing in it is trusted yet. */
export interface TdxCollateral {
  readonly pckCrlIssuerChain: readonly Certificate[];
  readonly rootCaCrl: CertificateRevocationList;
  readonly pckCrl: CertificateRevocationList;
  readonly tcbInfoIssuerChain: readonly Certificate[];
  readonly tcbInfo: Signed<TcbInfo>;
  readonly qeIdentityIssuerChain: readonly Certificate[];
  readonly qeIdentity: Signed<QeIdentity>;
}

/** Names of the collateral file's members that must be there. */
export const COLLATERAL_MEMBERS = [
  'pck_crl_issuer_chain',
  'root_ca_crl',
  'pck_crl',
  'tcb_info_issuer_chain',
  'tcb_info',
  'tcb_info_signature',
  'qe_identity_issuer_chain',
  'qe_identity',
  'qe_identity_signature',
] as const satisfies readonly (keyof CollateralText)[];

const PCK_CHAIN = 'pck_certificate_chain' satisfies keyof CollateralText;
const CODE = 'COLLATERAL_FORMAT';
/** A leaf, an intermediate CA and a root: no chain of Intel's is longer. */
const MAX_CHAIN = 3;
/** Characters of a chain's PEM: sixteen times what Intel's have. */
const MAX_CHAIN_TEXT = 64 * 1024;
const NAMED_BYTES = 64;

/**
 * Parses the certificates of a PEM chain, at most three in 64 KiB. A certificate that `known` holds already is
 * not parsed again.
 * @throws AssayError with `code` where the PEM is malformed or too long, X509_* where a certificate is.
 */
export function parsePemChain(
  pem: string,
  what: string,
  known: readonly Certificate[],
  code: ErrorCode = CODE,
): Certificate[] {
  if (pem.length > MAX_CHAIN_TEXT) {
    throw new AssayError(
      code,
      `expected ${what} to have at most ${MAX_CHAIN_TEXT} characters, not ${pem.length}`,
    );
  }
  let blocks: readonly Uint8Array[];
  try {
    blocks = strictPemBlocks(pem, 'CERTIFICATE');
  } catch (cause) {
    throw new AssayError(code, `expected ${what} to be PEM certificates and nothing else`, cause);
  }
  if (blocks.length === 0 || blocks.length > MAX_CHAIN) {
    throw new AssayError(
      code,
      `expected ${what} to have 1 to ${MAX_CHAIN} PEM certificates, not ${blocks.length}`,
    );
  }
  return blocks.map(
    (der) => known.find((certificate) => equalBytes(certificate.der, der)) ?? parseCertificate(der),
  );
}

function hexMember(text: string, name: string, length?: number): Uint8Array<ArrayBuffer> {
  try {
    const bytes = fromHex(text);
    if (length === undefined || bytes.length === length) return bytes;
  } catch (cause) {
    throw new AssayError(CODE, `expected ${name} to be hexadecimal`, cause);
  }
  throw new AssayError(CODE, `expected ${name} to have ${length} bytes`);
}

/** A revocation list as text, hexadecimal or one PEM block, to DER; throws COLLATERAL_FORMAT. */
export function crlBytes(text: string, name: string): Uint8Array {
  if (!text.startsWith('-----BEGIN ')) return hexMember(text, name);
  let blocks: readonly Uint8Array[];
  try {
    blocks = strictPemBlocks(text, 'X509 CRL');
  } catch (cause) {
    throw new AssayError(CODE, `expected ${name} to be PEM and nothing else`, cause);
  }
  const [der, ...more] = blocks;
  if (der !== undefined && more.length === 0) return der;
  throw new AssayError(CODE, `expected ${name} to be one PEM block`);
}

/** Splits the collateral file into its members; unknown and missing ones are refused. */
export function readCollateralText(input: string | Uint8Array): CollateralText {
  const value = parseStrictJson(input, 'the collateral', 'COLLATERAL_JSON');
  const fields = new JsonFields(value, 'the collateral', CODE);
  const unknown = fields
    .names()
    .find((name) => name !== PCK_CHAIN && !COLLATERAL_MEMBERS.some((member) => member === name));
  if (unknown !== undefined) {
    throw new AssayError(
      CODE,
      `the collateral has an unknown member ${unknown.slice(0, NAMED_BYTES)}`,
    );
  }
  return {
    pck_crl_issuer_chain: fields.text('pck_crl_issuer_chain'),
    root_ca_crl: fields.text('root_ca_crl'),
    pck_crl: fields.text('pck_crl'),
    tcb_info_issuer_chain: fields.text('tcb_info_issuer_chain'),
    tcb_info: fields.text('tcb_info'),
    tcb_info_signature: fields.text('tcb_info_signature'),
    qe_identity_issuer_chain: fields.text('qe_identity_issuer_chain'),
    qe_identity: fields.text('qe_identity'),
    qe_identity_signature: fields.text('qe_identity_signature'),
    ...(fields.has(PCK_CHAIN) && { [PCK_CHAIN]: fields.text(PCK_CHAIN) }),
  };
}

/**
 * Parses collateral.
 * @throws AssayError COLLATERAL_JSON, COLLATERAL_FORMAT, COLLATERAL_ID, COLLATERAL_VERSION,
 *   X509_CERTIFICATE, X509_EXTENSION or CRL_FORMAT.
 */
export function parseTdxCollateral(
  input: CollateralInput,
  known: readonly Certificate[] = [],
): TdxCollateral {
  const text =
    typeof input === 'string' || input instanceof Uint8Array ? readCollateralText(input) : input;
  const pckCrlIssuerChain = parsePemChain(text.pck_crl_issuer_chain, 'pck_crl_issuer_chain', known);
  const tcbInfoIssuerChain = parsePemChain(text.tcb_info_issuer_chain, 'tcb_info_issuer_chain', [
    ...known,
    ...pckCrlIssuerChain,
  ]);
  return {
    pckCrlIssuerChain,
    rootCaCrl: parseCrl(crlBytes(text.root_ca_crl, 'root_ca_crl')),
    pckCrl: parseCrl(crlBytes(text.pck_crl, 'pck_crl')),
    tcbInfoIssuerChain,
    tcbInfo: parseTcbInfo(
      text.tcb_info,
      hexMember(text.tcb_info_signature, 'tcb_info_signature', 64),
    ),
    qeIdentityIssuerChain:
      text.qe_identity_issuer_chain === text.tcb_info_issuer_chain
        ? tcbInfoIssuerChain
        : parsePemChain(text.qe_identity_issuer_chain, 'qe_identity_issuer_chain', [
            ...known,
            ...tcbInfoIssuerChain,
          ]),
    qeIdentity: parseQeIdentity(
      text.qe_identity,
      hexMember(text.qe_identity_signature, 'qe_identity_signature', 64),
    ),
  };
}
