import { AssayError } from '../encoding/error.js';
import type { Certificate } from '../encoding/x509.js';
import { vekExtensions } from '../endorsements/amd-extensions.js';
import { isNamedFor } from '../endorsements/simulated.js';
import { knownCertificate, startLink } from './certified.js';
import { pinnedIssuer, trustedRoots } from './chain-snp.js';

/** Whether the issuer signed the certificate. */
async function isSigned(subject: Certificate, issuer: Certificate): Promise<boolean> {
  return startLink({ subject, issuer }).holds;
}

/** ASKs of the product line at hand: the pinned one, and the supplied ones that a trusted root signed. */
async function issuersAtHand(
  product: string,
  supplied: readonly Uint8Array[],
  roots: readonly Uint8Array[] | undefined,
): Promise<readonly Certificate[]> {
  const pinned = roots === undefined ? pinnedIssuer(product, 'VCEK') : undefined;
  const found = pinned === undefined ? [] : [pinned];
  const candidates = supplied
    .map(knownCertificate)
    .filter(({ subjectCommonName }) => isNamedFor(subjectCommonName, `SEV-${product}`));
  for (const candidate of candidates) {
    for (const root of trustedRoots(roots)) {
      if (await isSigned(candidate, root)) found.push(candidate);
    }
  }
  return found;
}

/**
 * Throws SNP_CERTIFICATE_SIGNATURE for a VCEK that no authority at hand signed. Without any nothing can be
 * told, and nothing is thrown.
 * @param supplied certificates of the host and of the caller, DER.
 * @param roots DER roots that replace AMD's pinned ones.
 */
export async function requireIssued(
  vcek: Uint8Array,
  supplied: readonly Uint8Array[],
  roots: readonly Uint8Array[] | undefined,
): Promise<void> {
  const leaf = knownCertificate(vcek);
  const { product } = vekExtensions(leaf, 'VCEK');
  const issuers = await issuersAtHand(product, supplied, roots);
  for (const issuer of issuers) if (await isSigned(leaf, issuer)) return;
  if (issuers.length === 0) return;
  throw new AssayError(
    'SNP_CERTIFICATE_SIGNATURE',
    `no authority of ${product} signed ${leaf.subjectCommonName}`,
  );
}
