import { concat, utf8 } from '../../attestation/encoding/bytes.js';
import { sha384 } from '../../attestation/encoding/hash.js';
import { encodeTcgEventLog, type TcgEvent } from '../../attestation/evidence/tcg-event-log.js';

/** TCG_EfiSpecIdEvent of a log with SHA-384 digests alone, as in CCEL. */
const HEADER = concat(
  new Uint8Array(4),
  Uint8Array.of(3, 0, 0, 0),
  new Uint8Array(20),
  Uint8Array.of(33, 0, 0, 0),
  utf8('Spec ID Event03\0'),
  new Uint8Array(8),
  Uint8Array.of(1, 0, 0, 0, 0x0c, 0, 48, 0, 0),
);

/** An event of a forged log; the digest is of the data unless given. */
export interface LoggedEvent {
  readonly register: number;
  readonly type: number;
  readonly data: Uint8Array;
  readonly digest?: Uint8Array;
}

/** A CCEL log with these events, and padding as in ACPI's area. */
export function forgeTcgLog(
  events: readonly LoggedEvent[],
  padding: Uint8Array = new Uint8Array(),
): Uint8Array<ArrayBuffer> {
  return encodeTcgEventLog({
    header: HEADER,
    events: events.map(
      ({ register, type, data, digest }, index): TcgEvent => ({
        index,
        register,
        type,
        digests: [{ algorithm: 'sha384', digest: digest ?? sha384(data) }],
        data,
      }),
    ),
    padding,
  });
}

/** Boot of a small guest: EV_SEPARATOR, variables, an application, command line, initrd. */
export const BOOT_EVENTS: readonly LoggedEvent[] = [
  { register: 0, type: 3, data: utf8('not extended') },
  { register: 1, type: 0x80000001, data: utf8('SecureBoot') },
  { register: 1, type: 0x80000001, data: utf8('PK') },
  { register: 2, type: 0x80000003, data: utf8('kernel'), digest: sha384(utf8('kernel image')) },
  { register: 1, type: 4, data: new Uint8Array(4) },
  { register: 2, type: 4, data: new Uint8Array(4) },
  { register: 3, type: 13, data: utf8('console=ttyS0') },
  { register: 3, type: 6, data: utf8('initrd') },
  { register: 4, type: 6, data: utf8('application') },
];
