import { writeCbor } from '../encoding/cbor-writer.js';
import { AssayError } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';
import { label, type Sha256Once, sha256 } from '../encoding/hash.js';

/** What the enclave states of one inference. */
export interface InferenceClaims {
  /** The enclave's clock, seconds since 1970: the host can turn it, so it proves no order. */
  readonly issuedAt: number;
  /** The caller's nonce, 32 bytes; null where the caller sent none. */
  readonly nonce: Uint8Array | null;
  /** Boot of the enclave, 32 bytes. */
  readonly epoch: Uint8Array;
  readonly model: { readonly name: string; readonly version: string };
  /** Graph digest of the model that was executed, 32 bytes. */
  readonly graph: Uint8Array;
  /** Execution digest, 32 bytes. */
  readonly execution: Uint8Array;
  /** Commitment to the input tensors, 32 bytes. */
  readonly request: Uint8Array;
  /** Commitment to the output tensors, 32 bytes. */
  readonly response: Uint8Array;
  /** SHA-256 of the manifest, 32 bytes. */
  readonly manifest: Uint8Array;
  /** COSE Key Thumbprint of the signing key, 32 bytes. */
  readonly signingKey: Uint8Array;
}

/** EAT profile of these claims; `urn:assay` is this project's own, unregistered namespace. */
export const CLAIMS_PROFILE = 'urn:assay:inference-claims:1';

/** Claim keys of IANA's CWT registry (RFC 8392 section 4, RFC 9711 section 4). */
const IAT = 6;
const EAT_NONCE = 10;
const EAT_PROFILE = 265;

const CODE = 'CLAIMS_ENCODING';
const CLAIMS_LABEL = label('claims');

/**
 * Claims as a profile of EAT (RFC 9711 section 6): registered claims have their integer keys, Assay's
 * own have text keys. Deterministic CBOR, written in the order of its keys without a map in between,
 * since claims are encoded for each inference.
 */
export function encodeClaims(claims: InferenceClaims): Uint8Array<ArrayBuffer> {
  return writeCbor((to) => {
    to.head(5, claims.nonce === null ? 10 : 11);
    to.integer(IAT);
    to.integer(claims.issuedAt);
    if (claims.nonce !== null) {
      to.integer(EAT_NONCE);
      to.bytes(claims.nonce);
    }
    to.integer(EAT_PROFILE);
    to.text(CLAIMS_PROFILE);
    to.text('epoch');
    to.bytes(claims.epoch);
    to.text('graph');
    to.bytes(claims.graph);
    to.text('model');
    to.head(5, 2);
    to.text('name');
    to.text(claims.model.name);
    to.text('version');
    to.text(claims.model.version);
    to.text('request');
    to.bytes(claims.request);
    to.text('manifest');
    to.bytes(claims.manifest);
    to.text('response');
    to.bytes(claims.response);
    to.text('execution');
    to.bytes(claims.execution);
    to.text('signingKey');
    to.bytes(claims.signingKey);
  });
}

/** Decodes claims strictly; throws CLAIMS_ENCODING, or CLAIMS_PROFILE for another EAT profile. */
export function decodeClaims(bytes: Uint8Array): InferenceClaims {
  const fields = CborFields.decode(bytes, 'the claims', CODE);
  if (fields.text(EAT_PROFILE) !== CLAIMS_PROFILE) {
    throw new AssayError('CLAIMS_PROFILE', `expected the EAT profile ${CLAIMS_PROFILE}`);
  }
  const model = fields.map('model');
  const claims = {
    issuedAt: fields.unsigned(IAT),
    nonce: fields.has(EAT_NONCE) ? fields.bytes(EAT_NONCE, 32) : null,
    epoch: fields.bytes('epoch', 32),
    model: { name: model.text('name'), version: model.text('version') },
    graph: fields.bytes('graph', 32),
    execution: fields.bytes('execution', 32),
    request: fields.bytes('request', 32),
    response: fields.bytes('response', 32),
    manifest: fields.bytes('manifest', 32),
    signingKey: fields.bytes('signingKey', 32),
  };
  model.end();
  fields.end();
  return claims;
}

/**
 * The log entry of an inference: SHA-256(label ‖ claims). The log holds digests alone, so publishing
 * it tells how many inferences there were and nothing of them.
 */
export function claimsEntry(claims: Uint8Array, hash: Sha256Once = sha256): Uint8Array {
  return hash(CLAIMS_LABEL, claims);
}

/**
 * The log entry of a manifest: SHA-256(label ‖ SHA-256(manifest)). Entry 0 is that of the epoch's
 * first manifest, and every later manifest has one: so the log is tied to the enclave, tells when what
 * it serves changed, and has no empty inclusion path, as RFC 9942 section 5.2 requires.
 */
export function manifestEntry(manifestDigest: Uint8Array): Uint8Array<ArrayBuffer> {
  return sha256(label('manifest-entry'), manifestDigest);
}
