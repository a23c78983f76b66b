import { concat } from '../../attestation/encoding/bytes.js';

/** The segment's first server, which is its gateway too, and what it leases. */
export const GATEWAY = '10.9.0.1';
export const LEASED = '10.9.0.50';
/** A second server, and what it leases to whoever takes its offer. */
const OTHER_SERVER = '10.9.0.2';
const OTHER_ADDRESS = '10.9.0.70';

const DISCOVER = 1;
const OFFER = 2;
const ACK = 5;
/** Of a message (RFC 2131, section 2), before its options. */
const FIXED_BYTES = 240;
const MAGIC = Buffer.from('63825363', 'hex');

/** What a client asked, and how often it has asked: 1 is the first DISCOVER. */
export interface Asked {
  readonly message: Buffer;
  readonly type: number;
  readonly server: string | undefined;
  readonly discovers: readonly Buffer[];
}

const address = (text: string): Buffer => Buffer.from(text.split('.').map(Number));
const xidOf = (message: Buffer): Buffer => message.subarray(4, 8);

/** Reads a client's message. */
export function readAsked(message: Buffer, earlier: readonly Buffer[]): Asked {
  let type = 0;
  let server: string | undefined;
  for (let at = FIXED_BYTES; message[at] !== 255; at += 2 + (message[at + 1] ?? 0)) {
    if (message[at] === 53) type = message[at + 2] ?? 0;
    if (message[at] === 54) server = [...message.subarray(at + 2, at + 6)].join('.');
  }
  return { message, type, server, discovers: type === DISCOVER ? [...earlier, message] : earlier };
}

interface Answer {
  readonly type?: number;
  readonly leased?: string;
  readonly server?: string;
  readonly mask?: string;
  readonly xid?: Buffer;
}

/** An answer of the first server to what was asked, but for what is stated otherwise. */
function answer({ message, type }: Asked, stated: Answer = {}): Buffer {
  const fixed = Buffer.alloc(FIXED_BYTES);
  fixed.set([2, 1, 6, 0]);
  fixed.set(stated.xid ?? xidOf(message), 4);
  fixed.set(address(stated.leased ?? LEASED), 16);
  fixed.set(message.subarray(28, 44), 28);
  fixed.set(MAGIC, 236);
  const options: readonly (readonly [number, Uint8Array])[] = [
    [53, Uint8Array.of(stated.type ?? (type === DISCOVER ? OFFER : ACK))],
    [54, address(stated.server ?? GATEWAY)],
    [1, address(stated.mask ?? '255.255.255.0')],
    [3, address(GATEWAY)],
  ];
  const encoded = options.map(([code, value]) => concat(Uint8Array.of(code, value.length), value));
  return Buffer.concat([fixed, ...encoded, Uint8Array.of(255)]);
}

const other = { leased: OTHER_ADDRESS, server: OTHER_SERVER };
const foreign = { leased: OTHER_ADDRESS, xid: Buffer.from('abcd') };

/** What is broadcast on the segment when the client asks, in this order, by what it shows. */
export const SEGMENTS: Readonly<Record<string, (asked: Asked) => readonly Buffer[]>> = {
  'one server': (asked) => [answer(asked)],
  'a gateway outside of the subnet, as on Google Cloud': (asked) => [
    answer(asked, { mask: '255.255.255.255' }),
  ],
  'two servers that both offer': (asked) =>
    asked.type === DISCOVER
      ? [answer(asked), answer(asked, other)]
      : [answer(asked, asked.server === OTHER_SERVER ? other : {})],
  'answers to another machine before ours': (asked) => [answer(asked, foreign), answer(asked)],
  'an ACK of a server whose offer was not taken': (asked) =>
    asked.type === DISCOVER ? [answer(asked)] : [answer(asked, other), answer(asked)],
  'an offer that comes after the client has given it up': (asked) => {
    const [first = asked.message] = asked.discovers;
    if (asked.message === first) return [];
    return [answer(asked, { ...other, xid: xidOf(first) }), answer(asked)];
  },
  'datagrams that are no answers': (asked) => [
    Buffer.alloc(0),
    answer(asked, other).subarray(0, FIXED_BYTES - 1),
    answer(asked, other).fill(0, 236, FIXED_BYTES),
    answer(asked, other).fill(255, FIXED_BYTES + 1, FIXED_BYTES + 2),
    answer(asked, { leased: '0.0.0.0' }),
    answer(asked),
  ],
};
