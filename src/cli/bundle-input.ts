import { AssayError } from '../../attestation/encoding/error.js';
import {
  decodeBundle,
  type EvidenceBundle,
  isBundle,
  type Tee,
} from '../../attestation/evidence/bundle.js';

/**
 * The bundle that these bytes are, for commands that show a part of it; undefined for bytes of another kind.
 * Throws BUNDLE_ENCODING, or ENCODING_EVIDENCE for a bundle of other hardware.
 */
export function bundleOf(tee: Tee, bytes: Uint8Array): EvidenceBundle | undefined {
  if (!isBundle(bytes)) return undefined;
  const bundle = decodeBundle(bytes);
  if (bundle.tee === tee) return bundle;
  throw new AssayError('ENCODING_EVIDENCE', `expected a bundle of ${tee}, not of ${bundle.tee}`);
}
