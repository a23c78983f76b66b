/** What a worker states of one inference, to be logged and answered with. */
export interface Annotation {
  /** Of both commitments, 32 bytes. */
  readonly salt: Uint8Array;
  /** `claimsEntry(claims)`, 32 bytes. */
  readonly entry: Uint8Array;
  /** `encodeClaims` */
  readonly claims: Uint8Array;
}

/** Room for one with so many bytes of claims: salt ‖ entry ‖ claims, what the engine passes through. */
export function makeAnnotation(claimsLength: number): Uint8Array {
  return Buffer.allocUnsafe(64 + claimsLength);
}

/** The parts of what `makeAnnotation` made; views. */
export function splitAnnotation(bytes: Uint8Array): Annotation {
  return {
    salt: bytes.subarray(0, 32),
    entry: bytes.subarray(32, 64),
    claims: bytes.subarray(64),
  };
}
