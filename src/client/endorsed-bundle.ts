import { byteText } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { toPem } from '../../attestation/encoding/pem.js';
import { parseCertificate } from '../../attestation/encoding/x509.js';
import { amdEndorsements } from '../../attestation/endorsements/amd.js';
import {
  type AuxblobKind,
  encodeAuxblob,
  endorsementsOf,
} from '../../attestation/evidence/auxblob.js';
import { decodeBundle, encodeBundle } from '../../attestation/evidence/bundle.js';
import type { AttestedEvidence } from './appraisals.js';

function kindOf(der: Uint8Array): AuxblobKind {
  const { subjectCommonName, issuerCommonName } = parseCertificate(der);
  if (subjectCommonName === 'SEV-VCEK') return 'vcek';
  if (subjectCommonName === 'SEV-VLEK') return 'vlek';
  return subjectCommonName === issuerCommonName ? 'ark' : 'ask';
}

/**
 * The entry of a kind: DER, as hosts store it, or PEM where there are several. Takes time that grows with them
 * alone: how many there are is for the host to say.
 */
function entry(kind: AuxblobKind, ders: readonly Uint8Array[]): Uint8Array | undefined {
  const [first, ...more] = new Map(ders.map((der) => [byteText.decode(der), der])).values();
  if (first === undefined || more.length === 0) return first;
  const label = kind === 'crl' ? 'X509 CRL' : 'CERTIFICATE';
  return new TextEncoder().encode([first, ...more].map((der) => toPem(der, label)).join(''));
}

function certificateTable(
  carried: Uint8Array | null,
  supplied: readonly Uint8Array[],
): Uint8Array<ArrayBuffer> {
  const { certificates, crls } = amdEndorsements([...endorsementsOf(carried), ...supplied]);
  const sorted = certificates.map((der) => ({ kind: kindOf(der), der }));
  const entries = (['vcek', 'vlek', 'ask', 'ark', 'crl'] as const).flatMap((kind) => {
    const ders = kind === 'crl' ? crls : sorted.flatMap((c) => (c.kind === kind ? [c.der] : []));
    const data = entry(kind, ders);
    return data === undefined ? [] : [{ kind, data }];
  });
  return encodeAuxblob(entries);
}

/**
 * The bundle of some evidence with what it was appraised with, so that it can be appraised again
 * offline. Endorsements are the member of a bundle that no hardware signs: whoever reads the bundle
 * judges them as it would judge the host's. What cannot be decoded is returned as it came.
 */
export function endorsedBundle({ bundle: bytes, endorsements }: AttestedEvidence): Uint8Array {
  const { amd, intel } = endorsements;
  try {
    const bundle = decodeBundle(bytes);
    if (bundle.tee === 'tdx') {
      return intel === null ? bytes : encodeBundle({ ...bundle, endorsements: intel });
    }
    if (amd.length === 0) return bytes;
    return encodeBundle({ ...bundle, endorsements: certificateTable(bundle.endorsements, amd) });
  } catch (error) {
    if (error instanceof AssayError) return bytes;
    throw error;
  }
}
