/** As many bytes of one value: 32 unless told, as digests and nonces have. */
export const fill = (byte: number, length = 32): Uint8Array => new Uint8Array(length).fill(byte);
