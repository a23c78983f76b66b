import { PREFIX } from './codec/prefix.js';

/** Pieces of one message that may be as short as they like. */
const FREE = 1024;
/** What the pieces of a longer one have on average, bytes; senders use frames of 16 KiB. */
const AVERAGE = 256;

/**
 * Watches how a request comes in. grpc-js keeps an object of some hundred bytes for each piece of a message
 * until it is whole, so that one sent in frames of a byte would take a hundred times what the limit on
 * messages counts.
 */
export class PieceGuard {
  /** Bytes of the prefix ("gRPC over HTTP2", Length-Prefixed-Message) that are here. */
  #prefix = 0;
  #length = 0;
  #left = 0;
  #pieces = 0;
  #bytes = 0;

  /** False where the message comes in too many short pieces. */
  admits(piece: Uint8Array): boolean {
    for (let at = 0; at < piece.length; ) {
      if (this.#left > 0) at += this.#take(piece.length - at);
      else this.#readPrefix(piece[at++] ?? 0);
    }
    return this.#pieces <= FREE || this.#bytes >= this.#pieces * AVERAGE;
  }

  #take(available: number): number {
    const taken = Math.min(available, this.#left);
    this.#left -= taken;
    this.#bytes += taken;
    this.#pieces += 1;
    if (this.#left === 0) this.#begin();
    return taken;
  }

  #readPrefix(byte: number): void {
    if (this.#prefix > 0) this.#length = this.#length * 256 + byte;
    this.#prefix += 1;
    if (this.#prefix < PREFIX) return;
    this.#left = this.#length;
    this.#begin();
  }

  /** A new prefix, or the first byte of a message. */
  #begin(): void {
    this.#prefix = 0;
    this.#length = 0;
    this.#pieces = 0;
    this.#bytes = 0;
  }
}
