import { parseCrl } from '../../attestation/encoding/crl.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { pemBlocks, pemText } from '../../attestation/encoding/pem.js';
import { parseCertificate } from '../../attestation/encoding/x509.js';
import { type AmdEndorsements, amdEndorsements } from '../../attestation/endorsements/amd.js';
import { readCollateralText } from '../../attestation/endorsements/intel.js';
import { asFile, readInput } from './input-files.js';
import type { Io } from './io.js';

/** AMD's certificates and lists of a file, PEM or DER; throws USAGE_FILE for another. */
function readAmdEndorsements(path: string, bytes: Uint8Array): AmdEndorsements {
  return asFile(path, 'no certificate and no revocation list', () => {
    const endorsements = amdEndorsements([bytes]);
    for (const der of endorsements.certificates) parseCertificate(der);
    for (const der of endorsements.crls) parseCrl(der);
    return endorsements;
  });
}

/** Returns the bytes of a file with AMD's certificates or lists, PEM or DER; throws USAGE_FILE for another. */
export function requireAmdEndorsements<T extends Uint8Array>(path: string, bytes: T): T {
  readAmdEndorsements(path, bytes);
  return bytes;
}

/**
 * Returns the bytes of a file with a revocation list of
 * AMD's, whatever else it has; throws USAGE_FILE for another.
 */
export function requireAmdCrl<T extends Uint8Array>(path: string, bytes: T): T {
  if (readAmdEndorsements(path, bytes).crls.length > 0) return bytes;
  throw new AssayError('USAGE_FILE', `${path} has no revocation list, which --crl names`);
}

/**
 * Returns the bytes of a file with Intel's collateral; throws USAGE_FILE for another. What it says is for
 * the appraisal to judge.
 */
export function requireCollateral<T extends Uint8Array>(path: string, bytes: T): T {
  return asFile(path, 'no collateral', () => {
    readCollateralText(bytes);
    return bytes;
  });
}

/**
 * The DER certificates of a file: every PEM block of it, or
 * the file itself as one DER value; throws USAGE_FILE.
 */
export async function readCertificates(io: Io, path: string): Promise<Uint8Array[]> {
  const bytes = await readInput(io, path, 1024 * 1024);
  return asFile(path, 'no certificate in PEM or DER', () => {
    const blocks = pemBlocks(pemText(bytes) ?? '', 'CERTIFICATE');
    const certificates = blocks.length > 0 ? blocks : [bytes];
    for (const der of certificates) parseCertificate(der);
    return certificates;
  });
}
