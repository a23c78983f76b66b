import { type CborWriter, writeCbor } from '../encoding/cbor-writer.js';
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
const CLAIMS_PROFILE = 'urn:assay:inference-claims:1';

/** Claim keys of IANA's CWT registry (RFC 8392 section 4, RFC 9711 section 4). */
const IAT = 6;
const EAT_NONCE = 10;
const EAT_PROFILE = 265;

const CODE = 'CLAIMS_ENCODING';
/** Claims have some 500 bytes beside the model's name and version. */
const MAX_BYTES = 64 * 1024;
const CLAIMS_LABEL = label('claims');
const ZEROS = new Uint8Array(32);
const UNKNOWN: InferenceOnly = { nonce: ZEROS, request: ZEROS, response: ZEROS };

/** Offsets in encoded claims of what differs between two inferences of one load, 32 bytes each. */
interface ClaimsPlaces {
  readonly nonce: number;
  readonly request: number;
  readonly response: number;
}

function writeClaims(to: CborWriter, claims: InferenceClaims): ClaimsPlaces {
  const digest = (bytes: Uint8Array): number => {
    to.bytes(bytes);
    return to.length - bytes.length;
  };
  to.head(5, claims.nonce === null ? 10 : 11);
  to.integer(IAT);
  to.integer(claims.issuedAt);
  let nonce = 0;
  if (claims.nonce !== null) {
    to.integer(EAT_NONCE);
    nonce = digest(claims.nonce);
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
  const request = digest(claims.request);
  to.text('manifest');
  to.bytes(claims.manifest);
  to.text('response');
  const response = digest(claims.response);
  to.text('execution');
  to.bytes(claims.execution);
  to.text('signingKey');
  to.bytes(claims.signingKey);
  return { nonce, request, response };
}

/**
 * Claims as a profile of EAT (RFC 9711 section 6): registered claims have their integer keys, Assay's
 * own have text keys. Deterministic CBOR, in the order of its keys.
 */
export function encodeClaims(claims: InferenceClaims): Uint8Array<ArrayBuffer> {
  return writeCbor((to) => writeClaims(to, claims));
}

type InferenceOnly = Pick<InferenceClaims, 'nonce' | 'request' | 'response'>;

/** What the claims of many inferences share, encoded once, with places for what each adds. */
export class ClaimsForm {
  readonly #withNonce: Encoded;
  readonly #without: Encoded;

  constructor(shared: Omit<InferenceClaims, keyof InferenceOnly>) {
    this.#withNonce = encodeForm({ ...shared, ...UNKNOWN });
    this.#without = encodeForm({ ...shared, ...UNKNOWN, nonce: null });
  }

  /** Bytes that `fill` writes. */
  length(nonce: Uint8Array | null): number {
    return (nonce === null ? this.#without : this.#withNonce).bytes.length;
  }

  /** Writes what `encodeClaims` would; the three members have 32 bytes each. */
  fill(into: Uint8Array, { nonce, request, response }: InferenceOnly): void {
    const { bytes, places } = nonce === null ? this.#without : this.#withNonce;
    into.set(bytes);
    if (nonce !== null) into.set(nonce, places.nonce);
    into.set(request, places.request);
    into.set(response, places.response);
  }
}

interface Encoded {
  readonly bytes: Uint8Array;
  readonly places: ClaimsPlaces;
}

function encodeForm(claims: InferenceClaims): Encoded {
  let places: ClaimsPlaces = { nonce: 0, request: 0, response: 0 };
  const bytes = writeCbor((to) => {
    places = writeClaims(to, claims);
  });
  return { bytes, places };
}

/** Decodes claims strictly; throws CLAIMS_ENCODING, or CLAIMS_PROFILE for another EAT profile. */
export function decodeClaims(bytes: Uint8Array): InferenceClaims {
  const fields = CborFields.decode(bytes, 'the claims', CODE, MAX_BYTES);
  if (fields.text(EAT_PROFILE) !== CLAIMS_PROFILE) {
    throw new AssayError('CLAIMS_PROFILE', `expected the EAT profile ${CLAIMS_PROFILE}`);
  }
  const model = fields.map('model');
  const claims = {
    issuedAt: fields.time(IAT),
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
