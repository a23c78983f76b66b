import { AssayError } from '../../attestation/encoding/error.js';

const MAX_LENGTH = 512;
const MAX_DEPTH = 8;
const SEGMENT = /^[A-Za-z0-9_+=,()](?:[A-Za-z0-9._+=,()@ -]{0,254})$/;

/**
 * Refuses a path that is not plainly inside the package: absolute, `..`, empty or hidden segments,
 * backslashes, drive letters, control characters. The rules are those of external data, and an
 * attacker who writes a manifest must gain nothing by a file's name. Throws HUB_PATH.
 */
export function checkPackagePath(path: string): void {
  const segments = path.split('/');
  const plain = segments.every((segment) => SEGMENT.test(segment) && !/[. ]$/.test(segment));
  if (path.length > MAX_LENGTH || segments.length > MAX_DEPTH || !plain) {
    throw new AssayError(
      'HUB_PATH',
      `expected a relative path inside the package, without "..", links or hidden names, not ${JSON.stringify(path.slice(0, 200))}`,
    );
  }
}
