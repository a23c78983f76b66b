/*
 * Where the rules for SEV-SNP come from. Section numbers are those that AMD has kept through the
 * revisions of its documents; where they moved, the name of the table or command stands alone.
 */
const ABI = 'AMD 56860 (SEV-SNP Firmware ABI)';
const KDS = 'AMD 57230 (VCEK Certificate and KDS Interface)';

export const SNP_REFERENCES = {
  documents: `${ABI}; ${KDS}`,
  report: `${ABI}, section 7.3 (Attestation), ATTESTATION_REPORT`,
  platformInfo: `${ABI}, section 7.3 (Attestation), PLATFORM_INFO`,
  guestPolicy: `${ABI}, section 4.3 (Guest Policy)`,
  tcb: `${ABI}, sections 2.2 (TCB Version) and 7.3 (Attestation)`,
  committed: `${ABI}, SNP_COMMIT and ATTESTATION_REPORT, COMMITTED_TCB`,
  chain: `${KDS}, VCEK and VLEK certificates; RFC 5280, section 6`,
  certificateTcb: `${KDS}, VCEK Certificate Extensions, TCB`,
  hwid: `${KDS}, VCEK Certificate Extensions, HWID`,
  cspId: `${KDS}, VLEK Certificate Extensions, CSP_ID`,
  crl: `${KDS}, CRL; RFC 5280, section 6.3`,
  policy: 'appraisal policy',
  auxblob: 'Linux, configfs-tsm, auxblob; AMD GHCB (56421), SNP Extended Guest Request',
  hcl: 'Microsoft, Azure confidential VM guest attestation, HCL report',
} as const;
