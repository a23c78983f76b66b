/** Shorter pieces are gathered: an object for each takes far more memory than its bytes. */
const SHORT = 1024;
const ROOM = 4 * SHORT;
const EMPTY = Buffer.alloc(0);

/** Bytes that come in pieces, in order. Long pieces, and the first, stay where they are; others are copied. */
export class PieceList {
  #pieces: Buffer[] = [];
  #room: Buffer = EMPTY;
  #filled = 0;

  /** None is empty unless all are. */
  get pieces(): readonly Buffer[] {
    return this.#pieces;
  }

  push(piece: Buffer): void {
    if (piece.length >= SHORT || this.#pieces.length === 0) {
      this.#pieces.push(piece);
      this.#filled = this.#room.length;
      return;
    }
    if (this.#filled + piece.length > this.#room.length) {
      this.#room = Buffer.allocUnsafeSlow(ROOM);
      this.#filled = 0;
      this.#pieces.push(this.#room);
    }
    piece.copy(this.#room, this.#filled);
    this.#filled += piece.length;
    this.#pieces[this.#pieces.length - 1] = this.#room.subarray(0, this.#filled);
  }

  clear(): void {
    this.#pieces = [];
    this.#room = EMPTY;
    this.#filled = 0;
  }
}
