import { concat, fromHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';

const GUID = /^([0-9a-f]{8})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{4})-([0-9a-f]{12})$/;

/** UEFI's byte order (UEFI 2.10, appendix A): the first three groups little-endian, the rest as read. */
export function guidBytes(text: string): Uint8Array<ArrayBuffer> {
  const groups = GUID.exec(text)?.slice(1);
  if (groups === undefined) {
    throw new AssayError('MEASUREMENT_INPUT', `expected a lower-case GUID, not ${text}`);
  }
  const [a, b, c, d, e] = groups.map(fromHex) as Uint8Array<ArrayBuffer>[];
  const none = new Uint8Array();
  return concat(
    (a ?? none).reverse(),
    (b ?? none).reverse(),
    (c ?? none).reverse(),
    d ?? none,
    e ?? none,
  );
}
