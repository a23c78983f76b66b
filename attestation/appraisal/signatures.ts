import type { AssayError } from '../encoding/error.js';
import { type Certificate, importSubjectKey } from '../encoding/x509.js';

/** A signature whose check is under way. */
export interface PendingSignature {
  readonly holds: Promise<boolean>;
  readonly error: () => AssayError;
}

const keys = new WeakMap<Certificate, Promise<CryptoKey>>();

/** The subject's key; imported once for each parsed certificate. */
export function subjectKey(certificate: Certificate): Promise<CryptoKey> {
  const known = keys.get(certificate);
  if (known !== undefined) return known;
  const key = importSubjectKey(certificate);
  keys.set(certificate, key);
  return key;
}

/** Signatures that held or did not, by the identity of what is signed and of who signed it. */
const verified = new WeakMap<object, WeakMap<Certificate, Promise<boolean>>>();

/**
 * Whether `issuer` signed this certificate, list or document. A fact about immutable objects, so it
 * is established once for each pair; dates and revocation are not part of it.
 */
export function signedBy(
  signed: object,
  issuer: Certificate,
  check: (key: CryptoKey) => Promise<boolean>,
): Promise<boolean> {
  let byIssuer = verified.get(signed);
  if (byIssuer === undefined) {
    byIssuer = new WeakMap();
    verified.set(signed, byIssuer);
  }
  const known = byIssuer.get(issuer);
  if (known !== undefined) return known;
  const holds = subjectKey(issuer).then(check);
  // Another rule may fail first, and then nobody waits for this one.
  holds.catch(() => undefined);
  byIssuer.set(issuer, holds);
  return holds;
}

/**
 * Throws the error of the first signature, in their order, that does not hold: which one that is does
 * not depend on the order in which the answers come. Each promise must have its own rejection handler
 * already, since those behind the first failure are not waited for.
 */
export async function requireSignatures(pending: readonly PendingSignature[]): Promise<void> {
  for (const { holds, error } of pending) if (!(await holds)) throw error();
}
