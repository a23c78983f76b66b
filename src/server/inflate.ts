import { promisify } from 'node:util';
import { gunzip, inflate } from 'node:zlib';
import { status } from '@grpc/grpc-js';
import { Turns } from '../system/turns.js';
import { RpcError } from './rpc-error.js';

const DECODERS = { gzip: promisify(gunzip), deflate: promisify(inflate) } as const;

/** The message encodings of gRPC ("Compression") that are taken. */
export type Encoding = keyof typeof DECODERS;

export function isEncoding(text: string): text is Encoding {
  return Object.hasOwn(DECODERS, text);
}

async function decompress(message: Buffer, encoding: Encoding, limit: number): Promise<Buffer> {
  try {
    return await DECODERS[encoding](message, { maxOutputLength: limit });
  } catch (error) {
    if (error instanceof RangeError) {
      throw new RpcError(
        status.RESOURCE_EXHAUSTED,
        `Received message that decompresses to a size larger than ${limit}`,
      );
    }
    throw new RpcError(status.INTERNAL, `expected a message in ${encoding}`);
  }
}

const turns = new Turns();

/**
 * What a message decompresses to, or undefined where nobody wants it any more when its turn comes. One
 * message of all callers at a time: it can take a thousand times the memory that was sent. Rejects with
 * RpcError where that is more than `limit` bytes, or the message is not in this encoding.
 */
export function inflated(
  message: Buffer,
  encoding: Encoding,
  limit: number,
  wanted: () => boolean,
): Promise<Buffer | undefined> {
  return turns.take(async () => (wanted() ? decompress(message, encoding, limit) : undefined));
}
