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

/**
 * DER blobs of every PEM block with this label, in order; text between blocks is ignored. Throws
 * ENCODING_BASE64.
 */
export function pemBlocks(text: string, label: PemLabel): Uint8Array[] {
  const pattern = new RegExp(
    `-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]*)-----END ${label}-----`,
    'g',
  );
  return [...text.matchAll(pattern)].map((match) =>
    fromBase64((match[1] ?? '').replace(/\s/g, '')),
  );
}

/** One PEM block (RFC 7468 section 3), lines of 64 characters. */
export function toPem(der: Uint8Array, label: PemLabel): string {
  const lines = toBase64(der).match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}
