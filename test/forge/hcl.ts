import { concat, utf8 } from '../../attestation/encoding/bytes.js';
import { sha256 } from '../../attestation/encoding/hash.js';

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

/**
 * What Azure's paravisor keeps: the report with REPORT_DATA over the claims. The report's signature
 * does not survive that; tests of signatures use genuine ones.
 */
export function hclReport(report: Uint8Array, claims: string, header: HclHeader = {}): Uint8Array {
  const json = utf8(claims);
  const bound = new Uint8Array(report);
  bound.fill(0, 0x50, 0x90);
  bound.set(sha256(json), 0x50);
  const whole = 0x20 + report.length + 20 + json.length;
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
