/** Characters that tell text from bytes. */
const SAMPLE = 4096;

/** What kind of text this is where evidence, which is bytes, was expected; undefined for bytes. */
export function textKind(bytes: Uint8Array): string | undefined {
  const text = String.fromCharCode(...bytes.subarray(0, SAMPLE));
  if (/^\s*[[{]/.test(text)) return 'JSON';
  if (text.trimStart().startsWith('-----BEGIN ')) return 'PEM';
  if (/^[0-9a-fA-F\s]+$/.test(text)) return 'hexadecimal text: decode it to bytes first';
  if (/^[0-9a-zA-Z+/_=\s-]+$/.test(text)) return 'base64 text: decode it to bytes first';
  return undefined;
}
