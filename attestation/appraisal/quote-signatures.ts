import { byteText, concat, equalBytes, isZero } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { sha256 } from '../encoding/hash.js';
import type { P256 } from '../encoding/p256.js';
import type { Certificate } from '../encoding/x509.js';
import type { TdxQuote } from '../evidence/tdx-quote.js';
import { openKey, type PendingSignature, subjectP256, verifyWith } from './signatures.js';
import type { KnownEnclave, TdxCache } from './tdx-cache.js';

/*
 * What a quote itself is signed with (Intel TDX DCAP Quoting Library API, appendix A.3): the PCK
 * signs the quoting enclave's report, which names the attestation key that signs the TD's.
 */

/** Sets the check of a quoting enclave going; what the cache knows of it is known for good. */
export function quotingEnclave(
  quote: TdxQuote,
  leaf: Certificate,
  cache: TdxCache,
  p256: P256,
): KnownEnclave {
  const { attestationKey, qeReport, qeReportSignature } = quote;
  const covered = concat(attestationKey, qeReport.bytes, qeReportSignature);
  return cache.enclave(byteText.decode(covered), leaf, () => ({
    leaf,
    key: openKey(p256, concat(Uint8Array.of(4), attestationKey)),
    certified: verifyWith(subjectP256(leaf, p256), qeReportSignature, qeReport.bytes),
  }));
}

/** The two signatures of the quote itself: the PCK's over the QE report, and the QE's over the TD. */
export function quoteSignatures(
  quote: TdxQuote,
  { key, certified }: KnownEnclave,
): readonly PendingSignature[] {
  return [
    {
      holds: certified,
      error: () =>
        new AssayError('TDX_QE_REPORT_SIGNATURE', 'the QE report is not signed by the PCK'),
    },
    {
      holds: verifyWith(key, quote.signature, quote.signedBytes),
      error: () =>
        new AssayError('TDX_QUOTE_SIGNATURE', 'the quote is not signed by its attestation key'),
    },
  ];
}

/** QE REPORTDATA = SHA-256(attestation key ‖ QE authentication data), then zeros. */
export function checkAttestationKey(quote: TdxQuote): void {
  const expected = sha256(quote.attestationKey, quote.qeAuthenticationData);
  const { reportData } = quote.qeReport;
  if (!equalBytes(reportData.subarray(0, 32), expected) || !isZero(reportData.subarray(32))) {
    throw new AssayError(
      'TDX_ATTESTATION_KEY',
      'the QE report is not about the attestation key and authentication data of this quote',
    );
  }
}
