import { toHex } from '../encoding/bytes.js';
import { type Td15Extension, tdReportKind } from '../evidence/td-report.js';
import { bitField, namedAttributes } from '../evidence/tdx-fields.js';
import type { AuthenticatedTdx } from './authenticate-tdx.js';
import type { Claims } from './result.js';

const hex64 = (bytes: Uint8Array): string => `0x${bitField(bytes).toString(16)}`;

function extensionClaims(extension: Td15Extension | undefined) {
  if (extension === undefined) return null;
  const { vmId, ...bytes } = extension;
  const hex = Object.entries(bytes).map(([name, value]) => [name, toHex(value)] as const);
  return { vmId, ...Object.fromEntries(hex) };
}

/**
 * The quote's fields as typed claims: Intel's names in camel case, bytes and bit fields in
 * hexadecimal. Only of an authentic quote, since other bytes claim nothing.
 */
export function tdxClaims({ quote, platform, window }: AuthenticatedTdx): Claims {
  const { report, qeReport } = quote;
  const [rtmr0, rtmr1, rtmr2, rtmr3] = report.rtmrs.map(toHex);
  return {
    version: quote.header.version,
    tdReport: tdReportKind(report),
    teeTcbSvn: toHex(report.teeTcbSvn),
    mrSeam: toHex(report.mrSeam),
    mrSignerSeam: toHex(report.mrSignerSeam),
    seamAttributes: hex64(report.seamAttributes),
    tdAttributes: { raw: hex64(report.tdAttributes), ...namedAttributes(report.tdAttributes) },
    xfam: hex64(report.xfam),
    mrTd: toHex(report.mrTd),
    mrConfigId: toHex(report.mrConfigId),
    mrOwner: toHex(report.mrOwner),
    mrOwnerConfig: toHex(report.mrOwnerConfig),
    rtmr0: rtmr0 ?? null,
    rtmr1: rtmr1 ?? null,
    rtmr2: rtmr2 ?? null,
    rtmr3: rtmr3 ?? null,
    reportData: toHex(report.reportData),
    teeTcbSvn2: report.td15 === undefined ? null : toHex(report.td15.teeTcbSvn2),
    mrServiceTd: report.td15 === undefined ? null : toHex(report.td15.mrServiceTd),
    extension: extensionClaims(report.td15?.extension),
    qe: {
      mrEnclave: toHex(qeReport.mrEnclave),
      mrSigner: toHex(qeReport.mrSigner),
      isvProdId: qeReport.isvProdId,
      isvSvn: qeReport.isvSvn,
      userData: toHex(quote.header.userData),
    },
    platform: {
      ppid: platform.ppid,
      fmspc: platform.fmspc,
      pceId: platform.pceId,
      pceSvn: platform.pceSvn,
      cpuSvn: platform.cpuSvn,
      componentSvns: platform.componentSvns,
    },
    collateral: { from: window.from.toISOString(), until: window.until.toISOString() },
  };
}
