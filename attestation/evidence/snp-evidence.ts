import { type CborKey, type CborValue, encodeCbor } from '../encoding/cbor.js';
import { AssayError } from '../encoding/error.js';
import { CborFields } from '../encoding/fields.js';

const PROFILE = 'urn:assay:snp-evidence:1';
const CODE = 'BUNDLE_ENCODING';

/**
 * A raw report with everything that verifies it, in one file: appraised offline, years later, under a
 * later policy. Nothing in it is trusted for being there.
 */
export interface SnpEvidence {
  /** The report, or the HCL report that holds it, as it came. */
  readonly evidence: Uint8Array;
  /** DER. */
  readonly certificates: readonly Uint8Array[];
  /** DER. */
  readonly crls: readonly Uint8Array[];
  /** When the endorsements were gathered, Unix seconds: a time at which they hold together. */
  readonly collectedAt: number;
}

/** Deterministic CBOR. */
export function encodeSnpEvidence(bundle: SnpEvidence): Uint8Array<ArrayBuffer> {
  return encodeCbor(
    new Map<CborKey, CborValue>([
      ['profile', PROFILE],
      ['evidence', bundle.evidence],
      ['certificates', bundle.certificates],
      ['crls', bundle.crls],
      ['collectedAt', bundle.collectedAt],
    ]),
  );
}

function blobs(fields: CborFields, key: string): Uint8Array[] {
  return fields.array(key).map((value) => {
    if (value instanceof Uint8Array) return value;
    throw new AssayError(CODE, `expected ${key} of the SEV-SNP evidence to be bytes`);
  });
}

/** Decodes strictly; throws BUNDLE_ENCODING, or BUNDLE_PROFILE for another format. */
export function decodeSnpEvidence(bytes: Uint8Array): SnpEvidence {
  const fields = CborFields.decode(bytes, 'the SEV-SNP evidence', CODE);
  fields.expectProfile(PROFILE, 'BUNDLE_PROFILE');
  const bundle = {
    evidence: fields.bytes('evidence'),
    certificates: blobs(fields, 'certificates'),
    crls: blobs(fields, 'crls'),
    collectedAt: fields.time('collectedAt'),
  };
  fields.end();
  return bundle;
}

/** Whether these bytes are CBOR of this profile; anything else about them is `decodeSnpEvidence`'s. */
export function isSnpEvidence(bytes: Uint8Array): boolean {
  try {
    return CborFields.decode(bytes, 'the evidence', CODE).text('profile') === PROFILE;
  } catch {
    return false;
  }
}
