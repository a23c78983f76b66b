import { concat } from '../encoding/bytes.js';
import { type CborKey, type CborValue, encodeCbor } from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';
import { isNode } from '../encoding/merkle.js';
import type { ChallengePosition } from './binding.js';

/** The kinds of hardware whose evidence a bundle carries. */
export type Tee = 'sev-snp' | 'tdx';

/**
 * Evidence for one verifier: the hardware's report and everything that it covers. Only `report` is
 * signed by hardware; the rest counts as far as the report's fields lead to it.
 */
export interface EvidenceBundle {
  readonly tee: Tee;
  /** SEV-SNP attestation report, or TDX quote. */
  readonly report: Uint8Array;
  /**
   * Azure: JSON of the paravisor, which the report covers in place of the guest's own data; they hold
   * that data. Absent elsewhere, in the bytes as well.
   */
  readonly runtimeClaims?: Uint8Array;
  /** What the host supplied to verify it, as it came; null where it supplied nothing. Untrusted. */
  readonly endorsements: Uint8Array | null;
  /** The manifest's bytes. */
  readonly manifest: Uint8Array;
  /** Where the verifier's nonce stands in the challenge; the nonce itself is the verifier's. */
  readonly challenge: ChallengePosition;
  /** Events that were extended into RTMR3 (TDX); null elsewhere. */
  readonly eventLog: Uint8Array | null;
  /** Canonical launch policy; null where none is enforced. */
  readonly launchPolicy: Uint8Array | null;
}

/** Names this format and its version; `urn:assay` is this project's own, unregistered namespace. */
const PROFILE = 'urn:assay:evidence-bundle:1';
const CODE = 'BUNDLE_ENCODING';
/** More nonces than one report will ever answer. */
const MAX_PATH = 32;
/** Bytes of a bundle: the longest logs and endorsements, a quote, and a manifest of a thousand models. */
const MAX_BYTES = 16 * 1024 * 1024;

/** Members of a map of fewer than 24, whose head is one byte, in deterministic CBOR. */
function encodeMembers(members: readonly (readonly [string, CborValue])[]): Uint8Array {
  return encodeCbor(new Map<CborKey, CborValue>(members)).subarray(1);
}

/** The bundles of all nonces that one report answers, which differ in their positions alone. */
export class BundleForm {
  /** All keys that sort before `challenge`, and that one. */
  readonly #before: Uint8Array;
  readonly #after: Uint8Array;

  constructor(shared: Omit<EvidenceBundle, 'challenge'>) {
    const { runtimeClaims } = shared;
    const before = [
      ['tee', shared.tee],
      ['report', shared.report],
      ['profile', PROFILE],
      ['eventLog', shared.eventLog],
      ['manifest', shared.manifest],
    ] as const;
    const after = [
      ['endorsements', shared.endorsements],
      ['launchPolicy', shared.launchPolicy],
      ...(runtimeClaims === undefined ? [] : [['runtimeClaims', runtimeClaims] as const]),
    ] as const;
    const head = Uint8Array.of(0xa0 + before.length + 1 + after.length);
    this.#before = concat(head, encodeMembers(before), encodeCbor('challenge'));
    this.#after = encodeMembers(after);
  }

  /** A bundle in deterministic CBOR, in pieces, in order; only the second is its own. */
  encode({ root, index, size, path }: ChallengePosition): readonly Uint8Array[] {
    const position = new Map<CborKey, CborValue>([
      ['path', path],
      ['root', root],
      ['size', size],
      ['index', index],
    ]);
    return [this.#before, encodeCbor(position), this.#after];
  }
}

/** The bundle in deterministic CBOR. */
export function encodeBundle({ challenge, ...shared }: EvidenceBundle): Uint8Array<ArrayBuffer> {
  return concat(...new BundleForm(shared).encode(challenge));
}

function fail(message: string): never {
  throw new AssayError(CODE, message);
}

function optionalBytes(fields: CborFields, key: string): Uint8Array | null {
  const value = fields.take(key);
  return value === null || value instanceof Uint8Array
    ? value
    : fail(`the bundle: expected member ${key} to be null or bytes`);
}

function positionFromCbor(fields: CborFields): ChallengePosition {
  const root = fields.bytes('root', 32);
  const [index, size] = [fields.unsigned('index'), fields.unsigned('size')];
  const path = fields.array('path');
  fields.end();
  if (path.length > MAX_PATH || !path.every(isNode)) {
    fail(`expected the challenge's path to be at most ${MAX_PATH} nodes of 32 bytes`);
  }
  return { root, index, size, path: path.filter(isNode) };
}

/** Whether these bytes are CBOR of this profile; anything else about them is `decodeBundle`'s. */
export function isBundle(bytes: Uint8Array): boolean {
  try {
    const fields = CborFields.decode(bytes, 'the evidence bundle', CODE, MAX_BYTES);
    return fields.text('profile') === PROFILE;
  } catch {
    return false;
  }
}

/** Decodes a bundle strictly; throws BUNDLE_ENCODING, or BUNDLE_PROFILE for another format. */
export function decodeBundle(bytes: Uint8Array): EvidenceBundle {
  const fields = CborFields.decode(bytes, 'the evidence bundle', CODE, MAX_BYTES);
  fields.expectProfile(PROFILE, 'BUNDLE_PROFILE');
  const tee = fields.text('tee');
  if (tee !== 'sev-snp' && tee !== 'tdx') return fail('expected tee to be sev-snp or tdx');
  const bundle = {
    tee,
    report: fields.bytes('report'),
    ...(fields.has('runtimeClaims') && { runtimeClaims: fields.bytes('runtimeClaims') }),
    endorsements: optionalBytes(fields, 'endorsements'),
    manifest: fields.bytes('manifest'),
    challenge: positionFromCbor(fields.map('challenge')),
    eventLog: optionalBytes(fields, 'eventLog'),
    launchPolicy: optionalBytes(fields, 'launchPolicy'),
  } as const;
  fields.end();
  return bundle;
}
