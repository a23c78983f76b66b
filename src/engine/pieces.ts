/** Bytes of pieces together. */
export function totalLength(pieces: readonly Uint8Array[]): number {
  let total = 0;
  for (const { length } of pieces) total += length;
  return total;
}

/** Copies pieces one after another to an offset; returns the one behind them. */
export function writePieces(
  pieces: readonly Uint8Array[],
  into: Uint8Array,
  offset: number,
): number {
  let at = offset;
  for (const piece of pieces) {
    into.set(piece, at);
    at += piece.length;
  }
  return at;
}

/** The pieces as one; in place where there is but one. */
export function joined<Piece extends Uint8Array>(pieces: readonly Piece[]): Piece | Buffer {
  const [only] = pieces;
  return only !== undefined && pieces.length === 1 ? only : Buffer.concat(pieces);
}
