/** What a worker states of one inference, for the event loop to log and answer with. */
export interface Annotation {
  /** Of both commitments, 32 bytes. */
  readonly salt: Uint8Array;
  /** `claimsEntry(claims)`, 32 bytes. */
  readonly entry: Uint8Array;
  /** `encodeClaims` */
  readonly claims: Uint8Array;
}

/** salt ‖ entry ‖ claims: what the engine passes through. */
export function joinAnnotation({ salt, entry, claims }: Annotation): Uint8Array {
  const bytes = Buffer.allocUnsafe(64 + claims.length);
  bytes.set(salt);
  bytes.set(entry, 32);
  bytes.set(claims, 64);
  return bytes;
}

/** Splits what `joinAnnotation` made; views. */
export function splitAnnotation(bytes: Uint8Array): Annotation {
  return {
    salt: bytes.subarray(0, 32),
    entry: bytes.subarray(32, 64),
    claims: bytes.subarray(64),
  };
}
