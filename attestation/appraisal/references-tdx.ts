/*
 * Where the rules for TDX come from: documents of Intel's by section or name, and the TCG's for the
 * firmware's log.
 */
const QUOTE = 'Intel TDX DCAP Quoting Library API';
const BODY = `${QUOTE}, A.3.2 (TD Quote Body)`;
const MODULE = 'Intel TDX Module Base Architecture Specification';
const PCK = 'Intel SGX PCK Certificate and CRL Profile Specification';
const PCS = 'Intel PCS API v4';

export const TDX_REFERENCES = {
  documents: `${QUOTE}; ${PCS}`,
  quote: `${QUOTE}, A.3 (Quote Format)`,
  signature: `${QUOTE}, A.3.8 (ECDSA 256-bit Quote Signature Data)`,
  report: BODY,
  teeTcbSvn: `${BODY}, TEE_TCB_SVN`,
  extension: 'Intel SGX and TDX DCAP, sgx_quote_5.h (sgx_report2_body_v1_5_ex_t)',
  attributes: `${MODULE}, TDATTRIBUTES`,
  xfam: `${MODULE}, XFAM`,
  chain: `${PCK}; RFC 5280, section 6`,
  crl: `${PCK}; RFC 5280, section 6.3`,
  platform: `${PCK}, SGX extensions`,
  collateral: `${PCS}, TCB Info V3 and Enclave Identity V2`,
  tcbInfo: `${PCS}, TCB Info V3`,
  qeIdentity: `${PCS}, Enclave Identity V2`,
  dates: `${PCS}, issueDate and nextUpdate; RFC 5280, sections 5.1.2.4 and 5.1.2.5`,
  statedChain: 'Phala dcap-qvl, QuoteCollateralV3, pck_certificate_chain',
  tcb: 'Intel SGX and TDX quote verification library, TCB status; PCS API v4, TCB Info V3',
  evaluationDataNumber: `${PCS}, tcbEvaluationDataNumber`,
  eventLog: 'TCG PC Client Platform Firmware Profile, section 10; UEFI 2.10, section 38.4.1',
  runtimeLog: 'Assay RTMR3 log',
  hcl: 'Microsoft, Azure confidential VM guest attestation, HCL report',
} as const;
