import { fromBase64, toBase64 } from './bytes.js';
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
 * DER blobs of every PEM block with this label, in order; explanatory text between blocks (RFC 7468 section 2)
 * is ignored. What begins or ends like a block has to be one, of either label: a revocation list that is
 * damaged is not to vanish. Throws X509_FORMAT.
 */
export function pemBlocks(text: string, label: PemLabel): Uint8Array[] {
  const blocks = [...text.matchAll(BLOCK)];
  const boundaries = text.match(/-----(BEGIN|END)/g)?.length ?? 0;
  if (boundaries !== 2 * blocks.length) {
    throw new AssayError(
      'X509_FORMAT',
      `expected whole PEM blocks of CERTIFICATE or X509 CRL alone, and ${blocks.length} of them are, with ${boundaries} boundaries`,
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
