import { useCbor, writeCbor } from '../encoding/cbor-writer.js';
import { CborFields } from '../encoding/fields.js';
import { type LogPlace, writeEmbeddedReceipt } from './receipt.js';

/** What a response carries in its parameter `receipt`: the claims, and the proof that they were logged. */
export interface InferenceReceipt {
  /** `encodeClaims`. */
  readonly claims: Uint8Array;
  /** COSE Receipt of inclusion for `claimsEntry(claims)`. */
  readonly receipt: Uint8Array;
}

/** Claims and a receipt, each of the longest. */
const MAX_BYTES = 96 * 1024;

/** Both in one CBOR map; the response's parameter is its base64url. */
export function encodeInferenceReceipt(pair: InferenceReceipt): Uint8Array<ArrayBuffer> {
  return writeCbor((to) => {
    to.head(5, 2);
    to.text('claims');
    to.bytes(pair.claims);
    to.text('receipt');
    to.bytes(pair.receipt);
  });
}

/**
 * What `use` makes of `encodeInferenceReceipt` for claims and their place in the log, without copies in
 * between: `use` must neither keep the bytes nor encode anything.
 */
export function useInferenceReceipt<T>(
  claims: Uint8Array,
  place: LogPlace,
  use: (bytes: Uint8Array<ArrayBuffer>) => T,
): T {
  return useCbor((to) => {
    to.head(5, 2);
    to.text('claims');
    to.bytes(claims);
    to.text('receipt');
    writeEmbeddedReceipt(to, place);
  }, use);
}

/** Decodes the map; the two members are yet to be decoded. Throws RECEIPT_ENCODING. */
export function decodeInferenceReceipt(bytes: Uint8Array): InferenceReceipt {
  const fields = CborFields.decode(bytes, 'the inference receipt', 'RECEIPT_ENCODING', MAX_BYTES);
  const pair = { claims: fields.bytes('claims'), receipt: fields.bytes('receipt') };
  fields.end();
  return pair;
}
