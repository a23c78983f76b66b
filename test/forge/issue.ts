import { claimsEntry } from '../../attestation/receipt/claims.js';
import type { Issuer } from '../../enclave/issuer.js';

/** Logs the claims of an inference on the event loop, where the product has its workers do it. */
export function issueClaims(issuer: Issuer, claims: Uint8Array): Promise<Uint8Array> {
  return issuer.append(claimsEntry(claims));
}
