import { concat, utf8 } from '../../attestation/encoding/bytes.js';
import { paravisorReportData } from '../../attestation/evidence/runtime-claims.js';

/** Sizes and types of an HCL report that a test may get wrong. */
export interface HclHeader {
  readonly magic?: number;
  readonly version?: number;
  readonly size?: number;
  readonly status?: number;
  readonly reserved?: number;
  readonly dataSize?: number;
  readonly dataVersion?: number;
  readonly type?: number;
  readonly hash?: number;
  readonly claimsSize?: number;
  readonly trailing?: Uint8Array;
}

function words(...values: readonly number[]): Uint8Array {
  const bytes = new Uint8Array(4 * values.length);
  const view = new DataView(bytes.buffer);
  for (const [i, value] of values.entries()) view.setUint32(4 * i, value, true);
  return bytes;
}

/** The hardware report's area, which is as large as an SEV-SNP report. */
const AREA = 0x4a0;
const TDX = 4;

/**
 * What Azure's paravisor keeps: the SEV-SNP report, or TDREPORT, with REPORT_DATA over the claims. The
 * signature survives that only if it was made over them; tests of signatures use such reports.
 */
export function hclReport(report: Uint8Array, claims: string, header: HclHeader = {}): Uint8Array {
  const json = utf8(claims);
  const bound = new Uint8Array(AREA);
  bound.set(report);
  bound.set(paravisorReportData(json), header.type === TDX ? 128 : 0x50);
  const whole = 0x20 + AREA + 20 + json.length;
  return concat(
    words(header.magic ?? 0x414c4348, header.version ?? 1, header.size ?? whole, 2),
    words(header.status ?? 0, 0, 0, header.reserved ?? 0),
    bound,
    words(
      header.dataSize ?? 20 + json.length,
      header.dataVersion ?? 1,
      header.type ?? 2,
      header.hash ?? 1,
      header.claimsSize ?? json.length,
    ),
    json,
    header.trailing ?? new Uint8Array(100),
  );
}
