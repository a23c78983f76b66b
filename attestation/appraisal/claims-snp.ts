import { toHex } from '../encoding/bytes.js';
import { namedBits } from '../evidence/bits.js';
import {
  GUEST_POLICY_BITS,
  keyInfo,
  PLATFORM_INFO_BITS,
  tcbComponents,
} from '../evidence/snp-fields.js';
import type { AuthenticatedSnp } from './authenticate-snp.js';
import type { Claims } from './result.js';

const hex64 = (value: bigint | undefined): string | null =>
  value === undefined ? null : `0x${value.toString(16)}`;

/**
 * The report's fields as typed claims: AMD's names in camel case, bytes and bit fields in hexadecimal,
 * bits by AMD's own names. Only of an authentic report, since other bytes claim nothing.
 */
export function snpClaims(snp: AuthenticatedSnp): Claims {
  const { report, product, vek } = snp;
  const tcb = (raw: bigint): Claims => ({ ...tcbComponents(raw, product) });
  const info = keyInfo(report.keyInfo);
  return {
    version: report.version,
    product,
    guestSvn: report.guestSvn,
    policy: {
      raw: hex64(report.policy),
      abiMajor: Number((report.policy >> 8n) & 0xffn),
      abiMinor: Number(report.policy & 0xffn),
      ...namedBits(report.policy, GUEST_POLICY_BITS),
    },
    familyId: toHex(report.familyId),
    imageId: toHex(report.imageId),
    vmpl: report.vmpl,
    platformInfo: {
      raw: hex64(report.platformInfo),
      ...namedBits(report.platformInfo, PLATFORM_INFO_BITS),
    },
    signingKey: snp.signingKey,
    authorKeyEn: info?.authorKeyEn ?? false,
    reportData: toHex(report.reportData),
    measurement: toHex(report.measurement),
    hostData: toHex(report.hostData),
    idKeyDigest: toHex(report.idKeyDigest),
    authorKeyDigest: toHex(report.authorKeyDigest),
    reportId: toHex(report.reportId),
    reportIdMa: toHex(report.reportIdMa),
    chipId: toHex(report.chipId),
    cpuid: report.cpuid === undefined ? null : { ...report.cpuid },
    reportedTcb: tcb(report.reportedTcb),
    currentTcb: tcb(report.currentTcb),
    committedTcb: tcb(report.committedTcb),
    launchTcb: tcb(report.launchTcb),
    currentVersion: { ...report.current },
    committedVersion: { ...report.committed },
    launchMitVector: hex64(report.launchMitVector),
    currentMitVector: hex64(report.currentMitVector),
    certificateProduct: vek.productName,
    cspId: vek.cspId ?? null,
  };
}
