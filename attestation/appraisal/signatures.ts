import type { AssayError } from '../encoding/error.js';
import { NO_KEY, type P256, type P256Key } from '../encoding/p256.js';
import { cryptoUnavailable, type ImportedKey } from '../encoding/webcrypto.js';
import type { Certificate } from '../encoding/x509.js';
import { importSubjectKey } from '../encoding/x509-key.js';

/** Whether a signature holds: known, or asked of another thread. */
type Answer = boolean | Promise<boolean>;

/** A signature whose check is under way. */
export interface PendingSignature {
  readonly holds: Answer;
  readonly error: () => AssayError;
}

const keys = new WeakMap<Certificate, Promise<ImportedKey>>();

/** The subject's key; imported once for each parsed certificate. */
export function subjectKey(certificate: Certificate): Promise<ImportedKey> {
  const known = keys.get(certificate);
  if (known !== undefined) return known;
  const key = heard(importSubjectKey(certificate), () => keys.delete(certificate));
  keys.set(certificate, key);
  return key;
}

/** A key that is ready, or on its way. */
export type OpenedKey = P256Key | Promise<P256Key>;

const UNCOMPRESSED = 4;

function unavailable(cause: unknown): never {
  throw cryptoUnavailable(cause);
}

/**
 * Takes in a public key; what is no uncompressed point of the curve verifies nothing. Rejects with
 * CRYPTO_UNAVAILABLE where the platform cannot take in such keys.
 */
export function openKey(p256: P256, point: Uint8Array): OpenedKey {
  if (point.length !== 65 || point[0] !== UNCOMPRESSED) return NO_KEY;
  try {
    const key = p256(point);
    return typeof key === 'function' ? key : heard(key.catch(unavailable));
  } catch (cause) {
    return heard(Promise.reject(cryptoUnavailable(cause)));
  }
}

/** Keys by certificate, and what took them in. */
const opened = new WeakMap<Certificate, { readonly p256: P256; readonly key: OpenedKey }>();

/** The subject's P-256 key; taken in once for each parsed certificate. */
export function subjectP256(certificate: Certificate, p256: P256): OpenedKey {
  const known = opened.get(certificate);
  if (known?.p256 === p256) return known.key;
  const kept = certificate.keyKind === 'p-256' ? openKey(p256, certificate.publicKey) : NO_KEY;
  const key = heard(kept, () => opened.delete(certificate));
  opened.set(certificate, { p256, key });
  return key;
}

/**
 * Waits until the checks with these keys are under way: one goes to another thread once its key is
 * handed on, which takes a turn of the microtasks. Keys that answer at once need none.
 */
export async function underWay(keys: readonly OpenedKey[]): Promise<void> {
  if (keys.some((key) => typeof key !== 'function')) await Promise.allSettled(keys);
}

/** What a key answers; rejects with CRYPTO_UNAVAILABLE where it throws: it has not checked then. */
function asked(key: P256Key, signature: Uint8Array, data: Uint8Array): Answer {
  try {
    const holds = key(signature, data);
    return typeof holds === 'boolean' ? holds : holds.catch(unavailable);
  } catch (cause) {
    return Promise.reject(cryptoUnavailable(cause));
  }
}

/** Sets the check of a signature going. */
export function verifyWith(key: OpenedKey, signature: Uint8Array, data: Uint8Array): Answer {
  return heard(
    typeof key === 'function'
      ? asked(key, signature, data)
      : key.then((each) => asked(each, signature, data)),
  );
}

/**
 * Another rule may fail first, and then nobody waits for this answer.
 * @param forget called where there is none: what could not be established is asked again.
 */
function heard<T>(answer: T, forget: () => unknown = () => undefined): T {
  if (answer instanceof Promise) answer.catch(forget);
  return answer;
}

/** Signatures that held or did not, by the identity of what is signed, with who was asked for last. */
const verified = new WeakMap<object, { readonly issuer: Certificate; readonly holds: Answer }>();

/**
 * Whether `issuer` signed this certificate, list or document. A fact about immutable objects, so it
 * is established once for each that has one issuer; dates and revocation are not part of it.
 */
export function signedBy(signed: object, issuer: Certificate, check: () => Answer): Answer {
  const known = verified.get(signed);
  if (known?.issuer === issuer) return known.holds;
  const holds = heard(check(), () => verified.delete(signed));
  verified.set(signed, { issuer, holds });
  return holds;
}

/**
 * Throws the error of the first signature, in their order, that does not hold: which one that is does
 * not depend on the order in which the answers come. Each promise must have its own rejection handler
 * already, since those behind the first failure are not waited for.
 */
export async function requireSignatures(pending: readonly PendingSignature[]): Promise<void> {
  for (const { holds, error } of pending) {
    if (!(typeof holds === 'boolean' ? holds : await holds)) throw error();
  }
}
