import { status } from '@grpc/grpc-js';
import { writePieces } from '../engine/pieces.js';
import { PREFIX } from './codec/prefix.js';
import { PieceList } from './piece-list.js';
import { RpcError } from './rpc-error.js';

const EMPTY = Buffer.alloc(0);

/**
 * A piece keeps the whole read alive that it came in, with frames of other requests. Copies where more than
 * half of that memory is not the message's.
 */
export function ownMemory(pieces: readonly Buffer[], received: number): readonly Buffer[] {
  let kept = 0;
  let last: ArrayBufferLike | undefined;
  for (const { buffer } of pieces) {
    // Pieces of one read follow each other but for the gathered ones between them.
    if (buffer !== last) kept += buffer.byteLength;
    last = buffer;
  }
  return kept > 2 * received ? [copied(pieces, received)] : pieces;
}

/** Below this a copy shares Node's pool, as with Node 20; later ones pool larger copies, in 64 KiB. */
const POOLED = 4096;

function copied(pieces: readonly Buffer[], length: number): Buffer {
  const own = length < POOLED ? Buffer.allocUnsafe(length) : Buffer.allocUnsafeSlow(length);
  writePieces(pieces, own, 0);
  return own;
}

/** The one message of a request, as it comes in pieces. */
export class RequestMessage {
  readonly #limit: number;
  readonly #encoded: boolean;
  readonly #list = new PieceList();
  #compressed = false;
  #received = 0;
  /** With its prefix; undefined until that is here. */
  #expected: number | undefined;

  /**
   * @param limit most bytes of a message.
   * @param encoded whether it may be compressed.
   */
  constructor(limit: number, encoded: boolean) {
    this.#limit = limit;
    this.#encoded = encoded;
  }

  /** Whether it says that it is; false until its prefix is here. */
  get compressed(): boolean {
    return this.#compressed;
  }

  /** Throws RpcError as soon as the message cannot become what was expected. */
  push(piece: Buffer): void {
    this.#list.push(piece);
    this.#received += piece.length;
    if (this.#expected === undefined && this.#received >= PREFIX) this.#readPrefix();
    if (this.#expected !== undefined && this.#received > this.#expected) {
      this.#refuse(status.UNIMPLEMENTED, 'expected one request message, got more');
    }
  }

  /**
   * The message, in the pieces that it came in, once: what is copied out of them is kept nowhere else. Throws
   * RpcError where it is not whole.
   */
  end(): Buffer[] {
    if (this.#received !== this.#expected) {
      this.#refuse(status.UNIMPLEMENTED, 'expected one request message, the stream ended before');
    }
    const pieces = ownMemory(this.#list.pieces, this.#received);
    this.#list.clear();
    const [first = EMPTY] = pieces;
    // Not even the prefix need be in one piece where they are short.
    if (first.length < PREFIX) return [copied(pieces, this.#received).subarray(PREFIX)];
    return pieces.length === 1
      ? [first.subarray(PREFIX)]
      : [first.subarray(PREFIX), ...pieces.slice(1)];
  }

  #refuse(code: status, message: string): never {
    this.#list.clear();
    throw new RpcError(code, message);
  }

  #readPrefix(): void {
    const { pieces } = this.#list;
    const [first] = pieces;
    const prefix = first !== undefined && first.length >= PREFIX ? first : Buffer.concat(pieces);
    const length = prefix.readUInt32BE(1);
    this.#compressed = prefix[0] === 1 && this.#encoded;
    if (prefix[0] !== 0 && !this.#compressed) {
      this.#refuse(status.INTERNAL, 'expected no compressed message without a grpc-encoding');
    }
    if (length > this.#limit) {
      const sizes = `${length} vs ${this.#limit}`;
      this.#refuse(status.RESOURCE_EXHAUSTED, `Received message larger than max (${sizes})`);
    }
    this.#expected = PREFIX + length;
  }
}
