import { toHex } from '../encoding/bytes.js';
import { sha256 } from '../encoding/hash.js';
import { type Certificate, parseCertificate } from '../encoding/x509.js';
import { INTEL_ROOT } from '../endorsements/roots.js';
import type { TrustAnchor } from './result.js';

/** Roots that an appraisal may end in. */
export interface TrustedRoots {
  readonly source: TrustAnchor['source'];
  readonly certificates: readonly Certificate[];
}

/** Intel's root as pinned in `endorsements/roots.ts`. */
export const INTEL_ROOTS: TrustedRoots = {
  source: 'pinned',
  certificates: [parseCertificate(INTEL_ROOT)],
};

/** Roots that the caller names in place of the pinned ones; throws X509_CERTIFICATE. */
export function callerRoots(ders: readonly Uint8Array[]): TrustedRoots {
  return { source: 'caller', certificates: ders.map(parseCertificate) };
}

/** How a result names the root that a chain ended in. */
export function trustAnchorOf(root: Certificate, source: TrustAnchor['source']): TrustAnchor {
  return {
    commonName: root.subjectCommonName,
    sha256: toHex(sha256(root.der)),
    source,
    simulated: root.subjectCommonName.includes('SIMULATED'),
  };
}
