import { ByteReader } from '../../attestation/encoding/reader.js';
import { readQeReport } from '../../attestation/evidence/qe-report.js';
import { SNP_REPORT_SIZE } from '../../attestation/evidence/snp-report.js';
import { encodeTdxQuote } from '../../attestation/evidence/tdx-quote.js';
import type { ForgedProvider } from './kernel.js';

/** What the host bound the guests to. */
export const HOST_DATA = new Uint8Array(32).fill(0xd1);
export const MRCONFIGID = new Uint8Array(48).fill(0xc1);

/** A well-formed report that nobody signed: the driver does not appraise. */
export function snpReport(reportData: Uint8Array): Uint8Array {
  const report = new Uint8Array(SNP_REPORT_SIZE);
  const view = new DataView(report.buffer);
  view.setUint32(0, 3, true);
  view.setBigUint64(8, 0x30000n, true);
  view.setUint32(0x34, 1, true);
  report.set(reportData, 0x50);
  report.set(HOST_DATA, 0xc0);
  return report;
}

function tdxQuote(reportData: Uint8Array): Uint8Array {
  const digest = new Uint8Array(48);
  return encodeTdxQuote({
    header: { version: 4, qeSvn: 0, pceSvn: 0, userData: new Uint8Array(20) },
    report: {
      teeTcbSvn: new Uint8Array(16),
      mrSeam: digest,
      mrSignerSeam: digest,
      seamAttributes: new Uint8Array(8),
      tdAttributes: new Uint8Array(8),
      xfam: new Uint8Array(8),
      mrTd: digest,
      mrConfigId: MRCONFIGID,
      mrOwner: digest,
      mrOwnerConfig: digest,
      rtmrs: [digest, digest, digest, digest],
      reportData,
      td15: undefined,
    },
    signature: new Uint8Array(64),
    attestationKey: new Uint8Array(64),
    qeReport: readQeReport(new ByteReader(new Uint8Array(384), 'TDX_QUOTE_FORMAT')),
    qeReportSignature: new Uint8Array(64),
    qeAuthenticationData: new Uint8Array(),
    pckChain: new Uint8Array(),
    padding: 0,
  });
}

/** Kernels of both kinds of guest. */
export const snp: ForgedProvider = { name: 'sev_guest', answer: snpReport };
export const tdx: ForgedProvider = { name: 'tdx_guest', answer: tdxQuote };
