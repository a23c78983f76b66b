import { type Certificate, parseCertificate } from '../encoding/x509.js';
import { INTEL_ROOT } from '../endorsements/roots.js';
import { fingerprint } from './certified.js';
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

const parsed = new WeakMap<Uint8Array, Certificate>();

function parseOnce(der: Uint8Array): Certificate {
  const certificate = parsed.get(der) ?? parseCertificate(der);
  parsed.set(der, certificate);
  return certificate;
}

/** Intel's pinned root, or the DER roots that the caller names in its place. */
export function intelRoots(ders: readonly Uint8Array[] | undefined): TrustedRoots {
  if (ders === undefined) return INTEL_ROOTS;
  return { source: 'caller', certificates: ders.map(parseOnce) };
}

/** How a result names the root that a chain ended in. */
export function trustAnchorOf(root: Certificate, source: TrustAnchor['source']): TrustAnchor {
  return {
    commonName: root.subjectCommonName,
    sha256: fingerprint(root),
    source,
    simulated: root.subjectCommonName.includes('SIMULATED'),
  };
}
