import { fromUtf8, toHex } from '../encoding/bytes.js';
import { parseCrl } from '../encoding/crl.js';
import { AssayError } from '../encoding/error.js';
import { JsonFields, parseStrictJson } from '../encoding/json.js';
import { commonNameOf } from '../encoding/x509.js';
import { type CollateralText, crlBytes, parsePemChain } from './intel.js';
import type { EndorsementSource, Fetched, Retain, Retention } from './source.js';
import { parseQeIdentity, parseTcbInfo } from './tcb-info.js';

/** Intel's Provisioning Certification Service; a PCCS speaks the same API under its own base. */
export const INTEL_PCS = 'https://api.trustedservices.intel.com';
/** Intel's root CRL, DER; it is not part of the PCS. A PCCS has it under `rootcacrl`. */
const INTEL_ROOT_CRL = 'https://certificates.trustedservices.intel.com/IntelSGXRootCA.der';

/** Which TCB recovery to judge by: Intel keeps several in force (PCS API v4, `update`). */
export type TcbUpdate = 'standard' | 'early' | number;

/** A part of collateral with the chain that it came with; Intel's root CRL comes with none. */
export type CollateralPart =
  | Pick<CollateralText, 'tcb_info_issuer_chain' | 'tcb_info' | 'tcb_info_signature'>
  | Pick<CollateralText, 'qe_identity_issuer_chain' | 'qe_identity' | 'qe_identity_signature'>
  | Pick<CollateralText, 'pck_crl_issuer_chain' | 'pck_crl'>
  | Pick<CollateralText, 'root_ca_crl'>;

/** What has to be known of a platform to fetch what Intel says of it. */
export interface IntelRequest {
  /** FMSPC of the PCK certificate, hexadecimal. */
  readonly fmspc: string;
  /** The CA that issued it. */
  readonly ca: 'platform' | 'processor';
  /** `standard` unless given; a number is the exact tcbEvaluationDataNumber. */
  readonly update?: TcbUpdate;
  /** Throws where this part was not signed under a root that is trusted at that time. */
  readonly authentic: (part: CollateralPart, at: Date) => Promise<void>;
}

const CODE = 'COLLATERAL_FORMAT';
const DAY = 86_400_000;

function query(update: TcbUpdate, ...parameters: readonly string[]): string {
  const selection =
    typeof update === 'number' ? `tcbEvaluationDataNumber=${update}` : `update=${update}`;
  return `?${[...parameters, selection].join('&')}`;
}

/** URL of the TCB info (PCS API v4, "Get TDX TCB Info"). */
function tcbInfoUrl(base: string, fmspc: string, update: TcbUpdate): string {
  return `${base}/tdx/certification/v4/tcb${query(update, `fmspc=${fmspc.toUpperCase()}`)}`;
}

/** URL of the quoting enclave's identity (PCS API v4, "Get TDX QE Identity"). */
function qeIdentityUrl(base: string, update: TcbUpdate): string {
  return `${base}/tdx/certification/v4/qe/identity${query(update)}`;
}

/** URL of a PCK CA's CRL (PCS API v4, "Get Revocation List"). */
function pckCrlUrl(base: string, ca: IntelRequest['ca']): string {
  return `${base}/sgx/certification/v4/pckcrl?ca=${ca}&encoding=der`;
}

/** URL of the root's CRL: Intel's own, or the PCCS's. */
function rootCrlUrl(base: string): string {
  return base === INTEL_PCS ? INTEL_ROOT_CRL : `${base}/sgx/certification/v4/rootcacrl`;
}

/** An issuer chain travels in a header, percent-encoded PEM. */
function issuerChain({ headers }: Fetched, ...names: readonly string[]): string {
  const encoded = names.map((name) => headers[name]).find((value) => value !== undefined);
  if (encoded === undefined) {
    throw new AssayError(CODE, `expected the issuer chain in the header ${names[0]}`);
  }
  let pem: string;
  try {
    pem = decodeURIComponent(encoded);
  } catch (cause) {
    throw new AssayError(CODE, `expected the header ${names[0]} to be percent-encoded`, cause);
  }
  parsePemChain(pem, names[0] ?? '', []);
  return pem;
}

/**
 * Takes the signed document out of PCS's answer `{"<name>":{…},"signature":"…"}`, as the very text
 * that was signed.
 */
function signedDocument({ body }: Fetched, name: string): { text: string; signature: string } {
  const whole = fromUtf8(body);
  const value = parseStrictJson(whole, 'the answer', 'COLLATERAL_JSON');
  const signature = new JsonFields(value, 'the answer', CODE).hex('signature', 64);
  const match = new RegExp(
    `^\\s*\\{\\s*"${name}"\\s*:\\s*(\\{.*\\})\\s*,\\s*"signature"\\s*:\\s*"[0-9a-fA-F]{128}"\\s*\\}\\s*$`,
    's',
  ).exec(whole);
  if (match?.[1] === undefined) {
    throw new AssayError(CODE, `expected the answer to be ${name} and its signature`);
  }
  return { text: match[1], signature };
}

/** A list in DER (PCS), hexadecimal (PCCS) or PEM. */
function crlHex({ body }: Fetched): string {
  const first = body[0] ?? 0;
  if (first === 0x30 && (body[1] ?? 0) >= 0x80) return toHex(body);
  return toHex(crlBytes(fromUtf8(body).trim(), 'the CRL'));
}

/** Asked for once a day, never served beyond its end or that of a certificate of its issuer chain. */
function until(
  issued: Date,
  nextUpdate: Date,
  storedAt: Date,
  chain: string | undefined,
): Retention {
  const issuers = chain === undefined ? [] : parsePemChain(chain, 'the issuer chain', []);
  const ends = [nextUpdate, ...issuers.map(({ notAfter }) => notAfter)];
  return {
    refreshAfter: new Date(storedAt.getTime() + DAY),
    expires: new Date(Math.min(...ends.map(Number))),
    issued,
  };
}

/** Throws where one TCB recovery was asked for, and this document is of another. */
function requireUpdate(update: TcbUpdate, actual: number): void {
  if (typeof update !== 'number' || update === actual) return;
  throw new AssayError(CODE, `expected tcbEvaluationDataNumber ${update}, not ${actual}`);
}

/** The parts of collateral, as the answers have them. */
const PARTS = {
  tcbInfo(answer: Fetched) {
    const { text, signature } = signedDocument(answer, 'tcbInfo');
    return {
      tcb_info_issuer_chain: issuerChain(
        answer,
        'tcb-info-issuer-chain',
        'sgx-tcb-info-issuer-chain',
      ),
      tcb_info: text,
      tcb_info_signature: signature,
    };
  },
  qeIdentity(answer: Fetched) {
    const { text, signature } = signedDocument(answer, 'enclaveIdentity');
    return {
      qe_identity_issuer_chain: issuerChain(answer, 'sgx-enclave-identity-issuer-chain'),
      qe_identity: text,
      qe_identity_signature: signature,
    };
  },
  pckCrl: (answer: Fetched) => ({
    pck_crl_issuer_chain: issuerChain(answer, 'sgx-pck-crl-issuer-chain'),
    pck_crl: crlHex(answer),
  }),
  rootCrl: (answer: Fetched) => ({ root_ca_crl: crlHex(answer) }),
} as const;

const retainTcbInfo =
  ({ fmspc, authentic }: IntelRequest, update: TcbUpdate): Retain =>
  async (answer, storedAt) => {
    const part = PARTS.tcbInfo(answer);
    const { value } = parseTcbInfo(part.tcb_info, new Uint8Array());
    if (value.fmspc !== fmspc.toLowerCase()) {
      throw new AssayError(
        'COLLATERAL_FMSPC',
        `expected TCB info for FMSPC ${fmspc}, not ${value.fmspc}`,
      );
    }
    requireUpdate(update, value.evaluationDataNumber);
    await authentic(part, storedAt);
    return until(value.issueDate, value.nextUpdate, storedAt, part.tcb_info_issuer_chain);
  };
const retainQeIdentity =
  ({ authentic }: IntelRequest, update: TcbUpdate): Retain =>
  async (answer, storedAt) => {
    const part = PARTS.qeIdentity(answer);
    const { value } = parseQeIdentity(part.qe_identity, new Uint8Array());
    requireUpdate(update, value.evaluationDataNumber);
    await authentic(part, storedAt);
    return until(value.issueDate, value.nextUpdate, storedAt, part.qe_identity_issuer_chain);
  };
/** The answer is a list of the authority with this phrase in its common name. */
const retainCrl =
  (
    { authentic }: IntelRequest,
    issuer: string,
    partOf: (answer: Fetched) => CollateralPart,
  ): Retain =>
  async (answer, storedAt) => {
    const part = partOf(answer);
    const list = parseCrl(crlBytes(crlHex(answer), 'the CRL'));
    const name = commonNameOf(list.issuer);
    if (!name.includes(issuer)) {
      throw new AssayError('COLLATERAL_CRL_ISSUER', `expected a CRL of ${issuer}, not of ${name}`);
    }
    await authentic(part, storedAt);
    const chain = 'pck_crl' in part ? part.pck_crl_issuer_chain : undefined;
    return until(list.thisUpdate, list.nextUpdate, storedAt, chain);
  };

/**
 * Fetches the collateral of a platform from Intel's PCS or a PCCS: each part is what was asked for, and signed.
 * Neither dates nor what the parts say of each other are judged here.
 * @throws AssayError ENDORSEMENTS_UNAVAILABLE, also for answers out of shape or not signed by Intel;
 *   ENDORSEMENTS_UNKNOWN for an FMSPC or an evaluation number that the service does not have.
 */
export async function fetchTdxCollateral(
  source: EndorsementSource,
  request: IntelRequest,
  base: string = INTEL_PCS,
): Promise<CollateralText> {
  const { fmspc, ca, update = 'standard' } = request;
  const pckCa = ca === 'platform' ? 'SGX PCK Platform CA' : 'SGX PCK Processor CA';
  const [tcbInfo, qeIdentity, pckCrl, rootCrl] = await Promise.all([
    source.get(tcbInfoUrl(base, fmspc, update), retainTcbInfo(request, update)),
    source.get(qeIdentityUrl(base, update), retainQeIdentity(request, update)),
    source.get(pckCrlUrl(base, ca), retainCrl(request, pckCa, PARTS.pckCrl)),
    source.get(rootCrlUrl(base), retainCrl(request, 'SGX Root CA', PARTS.rootCrl)),
  ]);
  return {
    ...PARTS.pckCrl(pckCrl),
    ...PARTS.rootCrl(rootCrl),
    ...PARTS.tcbInfo(tcbInfo),
    ...PARTS.qeIdentity(qeIdentity),
  };
}
