import { byteText, fromBase64, toBase64 } from './bytes.js';
import { TAG } from './der.js';
import { AssayError } from './error.js';

/** The two PEM labels (RFC 7468) of endorsements. */
export type PemLabel = 'CERTIFICATE' | 'X509 CRL';

/**
 * DER blobs of a text that is nothing but PEM blocks with this label: between and in them only line
 * breaks, behind them only line breaks and zero bytes. Takes time that grows with the text alone: a host
 * chooses it. Throws ENCODING_BASE64.
 */
export function strictPemBlocks(text: string, label: PemLabel): Uint8Array[] {
  const pattern = new RegExp(
    `-----BEGIN ${label}-----[\\r\\n]([A-Za-z0-9+/=\\r\\n]*)-----END ${label}-----[\\r\\n]*`,
    'y',
  );
  const blocks: Uint8Array[] = [];
  let end = 0;
  for (let match = pattern.exec(text); match !== null; match = pattern.exec(text)) {
    blocks.push(fromBase64((match[1] ?? '').replaceAll('\n', '').replaceAll('\r', '')));
    end = pattern.lastIndex;
  }
  if (!/^\0*$/.test(text.slice(end))) {
    throw new AssayError('ENCODING_BASE64', 'expected nothing but PEM blocks and line breaks');
  }
  return blocks;
}

const BLOCK = /-----BEGIN (CERTIFICATE|X509 CRL)-----([A-Za-z0-9+/=\s]*)-----END \1-----/g;

/**
 * Whether a line outside of whole blocks may be of a damaged one: a boundary in any spelling, or base64 alone.
 * What OpenSSL prints beside a block is neither. Takes time that grows with the line alone: a host chooses it.
 */
function isOfBlock(line: string): boolean {
  return (
    /-----(BEGIN|END)/.test(line) ||
    (/\b(BEGIN|END)\b/i.test(line) && /\b(CERTIFICATE|CRL)\b/i.test(line)) ||
    /^[A-Za-z0-9+/]{40,}={0,2}$/.test(line.trim())
  );
}

/**
 * The text of a file that may have PEM blocks, a character for each byte, so that comments have any encoding;
 * undefined for DER of 128 bytes or more, whose first two bytes no text has.
 */
export function pemText(blob: Uint8Array): string | undefined {
  const [tag, length = 0] = blob;
  return tag === TAG.sequence && length >= 0x80 ? undefined : byteText.decode(blob);
}

/**
 * DER blobs of every PEM block with this label, in order; explanatory text between blocks (RFC 7468 section 2)
 * is ignored. What looks like a block or a part of one has to be one, of either label: a revocation list that
 * is damaged is not to vanish. Throws X509_FORMAT.
 */
export function pemBlocks(text: string, label: PemLabel): Uint8Array[] {
  const blocks = [...text.matchAll(BLOCK)];
  const between = text.replace(BLOCK, '\n').split(/[\r\n]/);
  if (between.some(isOfBlock)) {
    throw new AssayError(
      'X509_FORMAT',
      `expected whole PEM blocks of CERTIFICATE or X509 CRL alone: beside ${blocks.length} of them there is a damaged one, or another`,
    );
  }
  try {
    return blocks
      .map(([, actual, base64 = '']) => ({ actual, der: fromBase64(base64.replace(/\s/g, '')) }))
      .flatMap(({ actual, der }) => (actual === label ? [der] : []));
  } catch (cause) {
    throw new AssayError('X509_FORMAT', 'expected PEM blocks to be base64', cause);
  }
}

/** One PEM block (RFC 7468 section 3), lines of 64 characters. */
export function toPem(der: Uint8Array, label: PemLabel): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
