import { concat, utf8 } from '../../attestation/encoding/bytes.js';
import { sha256, sha384 } from '../../attestation/encoding/hash.js';
import type {
  HashAlgorithm,
  TcgEvent,
  TcgEventLog,
} from '../../attestation/evidence/tcg-event-log.js';

/** TPM_ALG_ID (TCG Algorithm Registry). */
const ALGORITHM_IDS: Readonly<Record<HashAlgorithm, number>> = {
  sha1: 0x0004,
  sha256: 0x000b,
  sha384: 0x000c,
  sha512: 0x000d,
};

function u32(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setUint32(0, value, true);
  return bytes;
}

const HASHES = { sha256, sha384 } as const;
type Forged = keyof typeof HASHES;

/** TCG_EfiSpecIdEvent of a log with these digests. */
const headerOf = (algorithms: readonly Forged[]): Uint8Array =>
  concat(
    new Uint8Array(4),
    u32(3),
    new Uint8Array(20),
    u32(29 + 4 * algorithms.length),
    utf8('Spec ID Event03\0'),
    new Uint8Array(8),
    u32(algorithms.length),
    ...algorithms.map((name) => Uint8Array.of(ALGORITHM_IDS[name], 0, HASHES[name]().length, 0)),
    new Uint8Array(1),
  );

/** The bytes of a log; inverse of `parseTcgEventLog`. */
export function encodeTcgEventLog(log: Omit<TcgEventLog, 'algorithms'>): Uint8Array<ArrayBuffer> {
  const events = log.events.map(({ register, type, digests, data }) =>
    concat(
      u32(register),
      u32(type),
      u32(digests.length),
      ...digests.flatMap(({ algorithm, digest }) => [
        Uint8Array.of(ALGORITHM_IDS[algorithm], 0),
        digest,
      ]),
      u32(data.length),
      data,
    ),
  );
  return concat(log.header, ...events, log.padding);
}

/** An event of a forged log; the SHA-384 digest is of the data unless given, all others are of it. */
export interface LoggedEvent {
  readonly register: number;
  readonly type: number;
  readonly data: Uint8Array;
  readonly digest?: Uint8Array;
}

/** A CCEL log with these events, and padding as in ACPI's area; genuine ones have SHA-384 digests alone. */
export function forgeTcgLog(
  events: readonly LoggedEvent[],
  padding: Uint8Array = new Uint8Array(),
  algorithms: readonly Forged[] = ['sha384'],
): Uint8Array<ArrayBuffer> {
  return encodeTcgEventLog({
    header: headerOf(algorithms),
    events: events.map(
      ({ register, type, data, digest }, index): TcgEvent => ({
        index,
        register,
        type,
        digests: algorithms.map((algorithm) => ({
          algorithm,
          digest: (algorithm === 'sha384' ? digest : undefined) ?? HASHES[algorithm](data),
        })),
        data,
      }),
    ),
    padding,
  });
}

/** Boot of a small guest: EV_SEPARATOR, variables, an application, command line, initrd. */
export const BOOT_EVENTS: readonly LoggedEvent[] = [
  { register: 0, type: 3, data: utf8('not extended'), digest: new Uint8Array(48) },
  { register: 1, type: 0x80000001, data: utf8('SecureBoot') },
  { register: 1, type: 0x80000001, data: utf8('PK') },
  { register: 2, type: 0x80000003, data: utf8('kernel'), digest: sha384(utf8('kernel image')) },
  { register: 1, type: 4, data: new Uint8Array(4) },
  { register: 2, type: 4, data: new Uint8Array(4) },
  { register: 3, type: 13, data: utf8('console=ttyS0') },
  { register: 3, type: 6, data: utf8('initrd') },
  { register: 4, type: 6, data: utf8('application') },
];
