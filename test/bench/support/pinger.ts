import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

/** Frame types and flags of RFC 9113, section 6. */
const TYPE = { data: 0, headers: 1, settings: 4, ping: 6, windowUpdate: 8 } as const;
const FLAG = { ack: 1, endStream: 1, endHeaders: 4 } as const;
const HEADER = 9;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
/** What the server may send on all streams together: more than any run takes. */
const WINDOW = 2 ** 30;

function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Buffer = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(HEADER);
  head.writeUIntBE(payload.length, 0, 3);
  head[3] = type;
  head[4] = flags;
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A string literal of RFC 7541, section 5.2, without Huffman's code. */
function literal(text: string): Buffer {
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);
}

/** Fields by their index in RFC 7541's static table, none of them to be remembered. */
function headerBlock(path: string): Buffer {
  const [post, http] = [0x83, 0x86];
  const [authority, pathName, contentType] = [
    Buffer.of(0x01),
    Buffer.of(0x04),
    Buffer.of(0x0f, 0x10),
  ];
  return Buffer.concat([
    Buffer.of(post, http),
    ...[pathName, literal(path), authority, literal('localhost')],
    ...[contentType, literal('application/grpc'), Buffer.of(0), literal('te'), literal('trailers')],
  ]);
}

/**
 * One gRPC call, made over and over, one at a time, on a plaintext connection of its own. Its requests
 * are bytes that were made once and it looks at frames alone: a client's own work, on caches that an
 * inference has just emptied, would take longer than the server's.
 */
export class Pinger {
  readonly #socket: Socket;
  readonly #headers: Buffer;
  readonly #message: Buffer;
  #received: Buffer = Buffer.alloc(0);
  #stream = -1;
  #answered = false;
  #ended: (error?: Error) => void = () => undefined;

  private constructor(socket: Socket, path: string, message: Buffer) {
    this.#socket = socket;
    this.#headers = headerBlock(path);
    const prefix = Buffer.alloc(5);
    prefix.writeUInt32BE(message.length, 1);
    this.#message = Buffer.concat([prefix, message]);
    socket.on('data', (bytes: Buffer) => this.#receive(bytes));
    socket.on('close', () => this.#ended(new Error('the server closed the connection')));
  }

  /** @param target `http://host:port`; @param message that of each request, at most one frame. */
  static async open(target: string, path: string, message: Buffer): Promise<Pinger> {
    const { hostname, port } = new URL(target);
    const socket = connect(Number(port), hostname);
    socket.setNoDelay(true);
    await once(socket, 'connect');
    const window = Buffer.alloc(4);
    window.writeUInt32BE(WINDOW);
    const opening = [PREFACE, frame(TYPE.settings, 0, 0), frame(TYPE.windowUpdate, 0, 0, window)];
    socket.write(Buffer.concat(opening));
    return new Pinger(socket, path, message);
  }

  /** Resolves when the answer is whole; rejects where it has no message, as an error has not. */
  ping(): Promise<void> {
    this.#stream += 2;
    this.#answered = false;
    const request = [
      frame(TYPE.headers, FLAG.endHeaders, this.#stream, this.#headers),
      frame(TYPE.data, FLAG.endStream, this.#stream, this.#message),
    ];
    return new Promise((resolve, reject) => {
      this.#ended = (error) => (error === undefined ? resolve() : reject(error));
      this.#socket.write(Buffer.concat(request));
    });
  }

  close(): void {
    this.#socket.removeAllListeners('close');
    this.#socket.destroy();
  }

  #receive(bytes: Buffer): void {
    let rest = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    while (rest.length >= HEADER && rest.length >= HEADER + rest.readUIntBE(0, 3)) {
      const end = HEADER + rest.readUIntBE(0, 3);
      this.#handle(rest.subarray(0, end));
      rest = rest.subarray(end);
    }
    this.#received = rest;
  }

  #handle(whole: Buffer): void {
    const [type, flags = 0, stream] = [whole[3], whole[4], whole.readUInt32BE(5)];
    if ((type === TYPE.settings || type === TYPE.ping) && (flags & FLAG.ack) === 0) {
      const payload = type === TYPE.ping ? whole.subarray(HEADER) : Buffer.alloc(0);
      this.#socket.write(frame(type, FLAG.ack, 0, payload));
    }
    if (stream !== this.#stream) return;
    if (type === TYPE.data && whole.length > HEADER) this.#answered = true;
    if (type === TYPE.headers && (flags & FLAG.endStream) !== 0) {
      this.#ended(this.#answered ? undefined : new Error('the server answered with an error'));
    }
  }
}
