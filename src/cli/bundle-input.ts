import { AssayError } from '../../attestation/encoding/error.js';
import { decodeBundle, type EvidenceBundle, type Tee } from '../../attestation/evidence/bundle.js';

function opened(bytes: Uint8Array): EvidenceBundle | undefined {
  try {
    return decodeBundle(bytes);
  } catch (error) {
    if (error instanceof AssayError) return undefined;
    throw error;
  }
}

/**
 * The bundle that these bytes are, for commands that show a part of it; undefined for bytes of another kind.
 * Throws ENCODING_EVIDENCE for a bundle of other hardware.
 */
export function bundleOf(tee: Tee, bytes: Uint8Array): EvidenceBundle | undefined {
  const bundle = opened(bytes);
  if (bundle === undefined || bundle.tee === tee) return bundle;
  throw new AssayError('ENCODING_EVIDENCE', `expected a bundle of ${tee}, not of ${bundle.tee}`);
}
