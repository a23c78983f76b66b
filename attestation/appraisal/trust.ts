import { type Certificate, parseCertificate } from '../encoding/x509.js';
import { INTEL_ROOT } from '../endorsements/roots.js';
import { isSimulated } from '../endorsements/simulated.js';
import { fingerprint, knownCertificate } from './certified.js';
import type { TrustAnchor } from './result.js';

/** Roots that an appraisal may end in. */
export interface TrustedRoots {
  readonly source: TrustAnchor['source'];
  readonly certificates: readonly Certificate[];
}

/** Intel's root as pinned in `endorsements/roots.ts`. */
const INTEL_ROOTS: TrustedRoots = {
  source: 'pinned',
  certificates: [parseCertificate(INTEL_ROOT)],
};

/** Intel's pinned root, or the DER roots that the caller names in its place. */
export function intelRoots(ders: readonly Uint8Array[] | undefined): TrustedRoots {
  if (ders === undefined) return INTEL_ROOTS;
  return { source: 'caller', certificates: ders.map(knownCertificate) };
}

/** How a result names the root that a chain ended in. */
export function trustAnchorOf(root: Certificate, source: TrustAnchor['source']): TrustAnchor {
  return {
    commonName: root.subjectCommonName,
    sha256: fingerprint(root),
    source,
    simulated: isSimulated(root.subjectCommonName),
  };
}
