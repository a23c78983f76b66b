import type { AssayError } from '../encoding/error.js';
import { TDX_REFERENCES } from './references-tdx.js';
import { type Rules, refusal } from './refusal.js';
import type { AttestationResult, TdxTcbResult, TrustAnchor } from './result.js';
import { TcbNotSupportedError } from './tcb-level.js';

const RULES: Rules = {
  TDX_QUOTE: [
    'a quote of version 4 or 5 by Intel’s quoting enclave about a TD',
    TDX_REFERENCES.quote,
  ],
  TDX_QUOTE_BODY: ['a TD report of TD 1.0 or TD 1.5, of its size', TDX_REFERENCES.report],
  TDX_QUOTE_CERTIFICATION: [
    'certification data of type 6, with a PCK chain of type 5 inside',
    TDX_REFERENCES.signature,
  ],
  TDX_QUOTE_SIGNATURE: [
    'ECDSA P-256 with SHA-256 by the attestation key',
    TDX_REFERENCES.signature,
  ],
  TDX_QE_REPORT: ['a QE report that the platform’s PCK signed', TDX_REFERENCES.signature],
  TDX_ATTESTATION_KEY: [
    'SHA-256 of attestation key and QE authentication data in the QE report’s REPORTDATA, then zeros',
    TDX_REFERENCES.signature,
  ],
  TDX_QE_IDENTITY: [
    'a quoting enclave as Intel’s QE identity states it',
    TDX_REFERENCES.qeIdentity,
  ],
  TDX_CHAIN: ['chains of certificates that each name the next', TDX_REFERENCES.chain],
  TDX_ROOT: ['chains to a root that is trusted', TDX_REFERENCES.chain],
  TDX_CERTIFICATE: ['certificates as Intel issues them, valid at the time', TDX_REFERENCES.chain],
  TDX_CERTIFICATE_REVOKED: ['certificates that Intel has not revoked', TDX_REFERENCES.crl],
  TDX_MODULE: ['a TDX module as Intel’s TCB info states it', TDX_REFERENCES.tcbInfo],
  TDX_TCB: ['a platform that meets a TCB level of Intel’s', TDX_REFERENCES.tcb],
  COLLATERAL: ['collateral for TDX as Intel’s PCS states it', TDX_REFERENCES.collateral],
  COLLATERAL_FMSPC: ['TCB info for the FMSPC of the PCK certificate', TDX_REFERENCES.tcbInfo],
  COLLATERAL_PCEID: ['TCB info for the PCEID of the PCK certificate', TDX_REFERENCES.tcbInfo],
  COLLATERAL_PCK_CHAIN: ['no PCK chain but the quote’s', TDX_REFERENCES.statedChain],
  COLLATERAL_EXPIRED: ['documents and CRLs within their dates', TDX_REFERENCES.dates],
  COLLATERAL_NOT_YET_VALID: ['documents and CRLs within their dates', TDX_REFERENCES.dates],
  COLLATERAL_SIGNATURE: ['TCB info and QE identity that Intel signed', TDX_REFERENCES.collateral],
  COLLATERAL_CRL: ['CRLs that the root CA and the PCK’s issuer signed', TDX_REFERENCES.crl],
  X509: ['certificates in DER or PEM', TDX_REFERENCES.chain],
  ASN1: ['certificates and lists in DER or PEM', TDX_REFERENCES.chain],
  CRL: ['a well-formed revocation list', TDX_REFERENCES.crl],
  HCL: ['an HCL report whose REPORT_DATA covers its runtime claims', TDX_REFERENCES.hcl],
  CRYPTO: ['a platform that can check Intel’s signatures', TDX_REFERENCES.chain],
  ENDORSEMENTS: ['collateral for the platform of the quote', TDX_REFERENCES.collateral],
};

/** The shape of results for a platform that meets no level at all. */
function notSupported({ comparison }: TcbNotSupportedError): TdxTcbResult {
  return {
    ...comparison,
    status: 'TCB_NOT_SUPPORTED',
    sgx: null,
    tdx: null,
    module: null,
    qe: null,
    advisories: null,
    date: null,
  };
}

/** A result for a quote that is not authentic, or that could not be authenticated. */
export function tdxRefusal(
  error: AssayError,
  at: Date,
  anchor: TrustAnchor | null = null,
): AttestationResult {
  const { documents } = TDX_REFERENCES;
  const refused = { tee: 'tdx', evidence: 'quote', rules: RULES, documents } as const;
  const result = refusal(refused, error, at, anchor);
  return error instanceof TcbNotSupportedError ? { ...result, tcb: notSupported(error) } : result;
}
