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

/** The bundle in deterministic CBOR. */
export function encodeBundle(bundle: EvidenceBundle): Uint8Array<ArrayBuffer> {
  return encodeCbor(
    new Map<CborKey, CborValue>([
      ['profile', PROFILE],
      ['tee', bundle.tee],
      ['report', bundle.report],
      ...(bundle.runtimeClaims === undefined
        ? []
        : [['runtimeClaims', bundle.runtimeClaims] as const]),
      ['endorsements', bundle.endorsements],
      ['manifest', bundle.manifest],
      [
        'challenge',
        new Map<CborKey, CborValue>([
          ['root', bundle.challenge.root],
          ['index', bundle.challenge.index],
          ['size', bundle.challenge.size],
          ['path', bundle.challenge.path],
        ]),
      ],
      ['eventLog', bundle.eventLog],
      ['launchPolicy', bundle.launchPolicy],
    ]),
  );
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

/** Decodes a bundle strictly; throws BUNDLE_ENCODING, or BUNDLE_PROFILE for another format. */
export function decodeBundle(bytes: Uint8Array): EvidenceBundle {
  const fields = CborFields.decode(bytes, 'the evidence bundle', CODE, MAX_BYTES);
  const profile = fields.text('profile');
  if (profile !== PROFILE) {
    throw new AssayError('BUNDLE_PROFILE', `expected the profile ${PROFILE}`);
  }
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
