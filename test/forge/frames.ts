import { pick, type Random } from './random.js';

/** HTTP/2 connections as nobody means them (RFC 9113 section 6): well-formed frames in any order, ended anyhow. */

const TYPE = {
  data: 0,
  headers: 1,
  reset: 3,
  settings: 4,
  ping: 6,
  goAway: 7,
  windowUpdate: 8,
} as const;
const END_STREAM = 1;
const END_HEADERS = 4;
const PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');

function frame(type: number, flags: number, stream: number, payload: Uint8Array): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** HPACK's literal fields without indexing (RFC 7541 section 6.2.2); texts up to 126 bytes. */
function headerBlock(fields: readonly (readonly [string, string])[]): Buffer {
  const text = (of: string): Buffer => Buffer.concat([Buffer.of(of.length), Buffer.from(of)]);
  return Buffer.concat(fields.flatMap(([name, value]) => [Buffer.of(0), text(name), text(value)]));
}

function word(...values: number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32BE(value, 4 * i);
  return bytes;
}

function setting(id: number, value: number): Buffer {
  const bytes = Buffer.alloc(6);
  bytes.writeUInt16BE(id, 0);
  bytes.writeUInt32BE(value, 2);
  return bytes;
}

const SERVICE = '/inference.GRPCInferenceService/';
const EMPTY = Buffer.alloc(5);
/** What a connection ends with. */
type Ending = 'dropped' | 'half-closed' | 'closed';

export interface HostileConnection {
  readonly bytes: Buffer;
  /** How many are written at once. */
  readonly piece: number;
  readonly ending: Ending;
}

function call(random: Random, stream: number): Buffer[] {
  const often = (one: number): boolean => random(one) === 0;
  const fields: [string, string][] = [
    [':method', 'POST'],
    [':scheme', 'http'],
    [':path', SERVICE + pick(random, ['ServerLive', 'ModelInfer', 'ModelStreamInfer', 'Nope'])],
    [':authority', 'localhost'],
    ['content-type', often(10) ? 'text/plain' : 'application/grpc'],
    ['te', 'trailers'],
  ];
  if (often(3)) fields.push(['grpc-timeout', pick(random, ['0S', '1m', 'abc', '99999999H'])]);
  if (often(5)) fields.push(['grpc-encoding', pick(random, ['gzip', 'foo', 'identity'])]);
  if (often(10)) fields.push(['content-length', pick(random, ['3', '0', '-1'])]);
  const headers = (flags: number): Buffer =>
    frame(TYPE.headers, END_HEADERS | flags, stream, headerBlock(fields));
  if (often(10)) return [headers(END_STREAM)];
  const message = pick(random, [EMPTY, EMPTY.subarray(3), Buffer.alloc(10), Buffer.alloc(5, 255)]);
  if (often(3)) {
    const trailers = headerBlock([['x-trailer', '1']]);
    return [
      headers(0),
      frame(TYPE.data, 0, stream, message),
      frame(TYPE.headers, END_HEADERS | END_STREAM, stream, trailers),
    ];
  }
  const end = often(3) ? 0 : END_STREAM;
  const pieces = often(3) ? [...message].map((byte) => Buffer.of(byte)) : [message];
  return [
    headers(0),
    ...pieces.map((piece, i) => frame(TYPE.data, i === pieces.length - 1 ? end : 0, stream, piece)),
  ];
}

function between(random: Random, stream: number): Buffer[] {
  const frames: Buffer[] = [];
  if (random(5) === 0)
    frames.push(frame(TYPE.reset, 0, stream, word(pick(random, [0, 1, 7, 8, 13]))));
  if (random(20) === 0) {
    frames.push(frame(TYPE.windowUpdate, 0, stream, word(pick(random, [0, 1, 2 ** 31 - 1]))));
  }
  if (random(3) === 0) frames.push(frame(TYPE.goAway, 0, 0, word(0, random(2))));
  if (random(20) === 0) frames.push(frame(TYPE.ping, 0, 0, Buffer.alloc(8)));
  if (random(20) === 0) {
    const garbage = Buffer.alloc(random(20), random(256));
    frames.push(frame(random(21), random(256), pick(random, [0, stream, stream + 2]), garbage));
  }
  if (random(20) === 0) {
    frames.push(frame(TYPE.settings, 0, 0, setting(4, pick(random, [0, 65535, 2 ** 31]))));
  }
  return frames;
}

export function hostileConnection(random: Random): HostileConnection {
  const settings = pick(random, [Buffer.alloc(0), setting(4, 0), setting(1, 0)]);
  const frames = [PREFACE, frame(TYPE.settings, 0, 0, settings)];
  let stream = 1;
  for (let calls = 1 + random(12); calls > 0; calls--) {
    frames.push(...call(random, stream), ...between(random, stream));
    // Identifiers that go back or stay are errors of the connection.
    stream += pick(random, [2, 2, 2, 2, 0, 1]);
  }
  const bytes = Buffer.concat(frames);
  return {
    bytes,
    piece: random(3) === 0 ? bytes.length : 30 + random(370),
    ending: pick(random, ['dropped', 'half-closed', 'closed']),
  };
}
