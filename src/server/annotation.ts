/** What a worker states of one inference, to be logged and answered with. */
export interface Annotation {
  /** Of both commitments, 32 bytes. */
  readonly salt: Uint8Array;
  /** `claimsEntry(claims)`, 32 bytes. */
  readonly entry: Uint8Array;
  /** `encodeClaims` */
  readonly claims: Uint8Array;
  /** `encodeHead` */
  readonly head: Uint8Array;
}

const CLAIMS = 68;

/** One with room for all but the head: u32 length of the claims ‖ salt ‖ entry ‖ claims ‖ head. */
export function makeAnnotation(claimsLength: number, head: Uint8Array): Uint8Array {
  const annotation = Buffer.allocUnsafe(CLAIMS + claimsLength + head.length);
  annotation.writeUInt32LE(claimsLength);
  annotation.set(head, CLAIMS + claimsLength);
  return annotation;
}

/** The parts of what `makeAnnotation` made; views. */
export function splitAnnotation(bytes: Uint8Array): Annotation {
  const end = CLAIMS + new DataView(bytes.buffer, bytes.byteOffset).getUint32(0, true);
  return {
    salt: bytes.subarray(4, 36),
    entry: bytes.subarray(36, CLAIMS),
    claims: bytes.subarray(CLAIMS, end),
    head: bytes.subarray(end),
  };
}
