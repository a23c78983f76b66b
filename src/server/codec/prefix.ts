/** Bytes of a Length-Prefixed-Message's prefix ("gRPC over HTTP2"): whether it is compressed, u32 length. */
export const PREFIX = 5;
