import { equalBytes, utf8 } from '../encoding/bytes.js';
import { AssayError } from '../encoding/error.js';
import { ByteReader } from '../encoding/reader.js';
import { HASHES } from './replay.js';

/** TPM_ALG_ID of a digest (TCG Algorithm Registry). */
export type HashAlgorithm = 'sha1' | 'sha256' | 'sha384' | 'sha512';

const ALGORITHMS: ReadonlyMap<number, { readonly name: HashAlgorithm; readonly size: number }> =
  new Map([
    [0x0004, { name: 'sha1', size: 20 }],
    [0x000b, { name: 'sha256', size: 32 }],
    [0x000c, { name: 'sha384', size: 48 }],
    [0x000d, { name: 'sha512', size: 64 }],
  ]);

/** One event of a TCG log. */
export interface TcgEvent {
  /** Position in the log, from 0; the specification-id header is not counted. */
  readonly index: number;
  /** PCR of a TPM, or the measurement register of UEFI's CC protocol: 0 MRTD, 1 to 4 RTMR0 to 3. */
  readonly register: number;
  readonly type: number;
  readonly digests: readonly { readonly algorithm: HashAlgorithm; readonly digest: Uint8Array }[];
  /** What was measured, or a description of it: nothing but a digest of it was extended, if at all. */
  readonly data: Uint8Array;
}

/** A crypto-agile log: TCG PC Client Platform Firmware Profile, section 10; in a TD, ACPI's CCEL. */
export interface TcgEventLog {
  /** The TCG_EfiSpecIdEvent that starts the log. */
  readonly header: Uint8Array;
  readonly algorithms: readonly HashAlgorithm[];
  readonly events: readonly TcgEvent[];
  /** What fills the rest of the firmware's area: zeros or 0xff. */
  readonly padding: Uint8Array;
}

const CODE = 'EVENT_LOG_FORMAT';
const MAX_BYTES = 4 * 1024 * 1024;
const MAX_EVENTS = 16_384;
/** An event that was never extended: EV_NO_ACTION. */
export const NO_ACTION = 3;
const SIGNATURE = utf8('Spec ID Event03\0');

/** Names of event types: TCG PC Client Platform Firmware Profile, table 14. */
const TYPES: { readonly [type: number]: string } = {
  1: 'EV_POST_CODE',
  3: 'EV_NO_ACTION',
  4: 'EV_SEPARATOR',
  5: 'EV_ACTION',
  6: 'EV_EVENT_TAG',
  7: 'EV_S_CRTM_CONTENTS',
  8: 'EV_S_CRTM_VERSION',
  9: 'EV_CPU_MICROCODE',
  10: 'EV_PLATFORM_CONFIG_FLAGS',
  13: 'EV_IPL',
  2147483649: 'EV_EFI_VARIABLE_DRIVER_CONFIG',
  2147483650: 'EV_EFI_VARIABLE_BOOT',
  2147483651: 'EV_EFI_BOOT_SERVICES_APPLICATION',
  2147483652: 'EV_EFI_BOOT_SERVICES_DRIVER',
  2147483654: 'EV_EFI_GPT_EVENT',
  2147483655: 'EV_EFI_ACTION',
  2147483656: 'EV_EFI_PLATFORM_FIRMWARE_BLOB',
  2147483657: 'EV_EFI_HANDOFF_TABLES',
  2147483658: 'EV_EFI_PLATFORM_FIRMWARE_BLOB2',
  2147483659: 'EV_EFI_HANDOFF_TABLES2',
  2147483660: 'EV_EFI_VARIABLE_BOOT2',
  2147483872: 'EV_EFI_VARIABLE_AUTHORITY',
};

/** Name of an event type; hexadecimal where it has none. */
export function eventTypeName(type: number): string {
  return TYPES[type] ?? `0x${type.toString(16)}`;
}

function fail(message: string): never {
  throw new AssayError(CODE, message);
}

/** The header: a TCG 1.2 event of type EV_NO_ACTION that names the digests of all others. */
function readHeader(reader: ByteReader): HashAlgorithm[] {
  reader.u32le('register of the header');
  if (reader.u32le('type of the header') !== NO_ACTION) {
    fail('expected the log to begin with EV_NO_ACTION');
  }
  reader.zeros(20, 'digest of the header');
  const body = new ByteReader(
    reader.bytes(reader.u32le('size of the header'), 'TCG_EfiSpecIdEvent'),
    CODE,
  );
  if (!equalBytes(body.bytes(16, 'signature'), SIGNATURE)) {
    fail('expected the signature "Spec ID Event03" of a crypto-agile log');
  }
  body.bytes(8, 'platform class and version');
  const count = body.u32le('numberOfAlgorithms');
  if (count === 0 || count > ALGORITHMS.size) {
    fail(`expected 1 to ${ALGORITHMS.size} digest algorithms, not ${count}`);
  }
  const algorithms = Array.from({ length: count }, () => {
    const [id, size] = [body.u16le('algorithm id'), body.u16le('digest size')];
    const known = ALGORITHMS.get(id);
    return known !== undefined && known.size === size
      ? known.name
      : fail(`algorithm 0x${id.toString(16)} with digests of ${size} bytes is not known here`);
  });
  if (new Set(algorithms).size !== count) fail('expected each digest algorithm once');
  body.bytes(body.u8('vendorInfoSize'), 'vendor information');
  body.end('TCG_EfiSpecIdEvent');
  return algorithms;
}

/** TCG_PCR_EVENT2: a digest of each algorithm, in any order. */
function readEvent(
  reader: ByteReader,
  index: number,
  algorithms: readonly HashAlgorithm[],
): TcgEvent {
  const what = `event ${index}`;
  const register = reader.u32le(`register of ${what}`);
  const type = reader.u32le(`type of ${what}`);
  const count = reader.u32le(`digest count of ${what}`);
  if (count !== algorithms.length) {
    fail(`expected ${what} to have ${algorithms.length} digests, not ${count}`);
  }
  const digests = Array.from({ length: count }, () => {
    const known = ALGORITHMS.get(reader.u16le(`algorithm of ${what}`));
    if (known === undefined || !algorithms.includes(known.name)) {
      return fail(`${what} has a digest of an algorithm that the header does not name`);
    }
    return { algorithm: known.name, digest: reader.bytes(known.size, `digest of ${what}`) };
  });
  if (new Set(digests.map(({ algorithm }) => algorithm)).size !== count) {
    fail(`expected ${what} to have one digest of each algorithm`);
  }
  const data = reader.bytes(reader.u32le(`size of ${what}`), `data of ${what}`);
  return { index, register, type, digests, data };
}

/**
 * Parses a crypto-agile log as TPMs and TDs have it. Untrusted until its replay is a quote's
 * registers; and then the digests are, while the data is so far as a digest is of it.
 * @throws AssayError EVENT_LOG_FORMAT.
 */
export function parseTcgEventLog(bytes: Uint8Array): TcgEventLog {
  if (bytes.length > MAX_BYTES) {
    fail(`expected a log of at most ${MAX_BYTES} bytes, not ${bytes.length}`);
  }
  const reader = new ByteReader(bytes, CODE);
  const algorithms = readHeader(reader);
  const header = bytes.subarray(0, reader.offset);
  let end = bytes.length;
  const filler = bytes[end - 1];
  if (filler === 0 || filler === 0xff) while (end > 0 && bytes[end - 1] === filler) end -= 1;
  const events: TcgEvent[] = [];
  // The last event may itself end in the filler, so that it may reach into what looks like padding.
  while (reader.offset < end) {
    if (events.length === MAX_EVENTS) fail(`expected at most ${MAX_EVENTS} events`);
    events.push(readEvent(reader, events.length, algorithms));
  }
  return { header, algorithms, events, padding: bytes.subarray(reader.offset) };
}

/** Digests that were extended into a register, in order: all events of it but EV_NO_ACTION. */
export function extendedEvents(
  log: TcgEventLog,
  register: number,
  algorithm: HashAlgorithm,
): { readonly event: TcgEvent; readonly digest: Uint8Array }[] {
  return log.events
    .filter((event) => event.register === register && event.type !== NO_ACTION)
    .flatMap((event) =>
      event.digests
        .filter((item) => item.algorithm === algorithm)
        .map(({ digest }) => ({ event, digest })),
    );
}

/**
 * Whether a matching replay vouches for the event's data too: it was extended, and its digests are of the
 * data, all of them, since a register is held to one alone and whoever has the log may write the others.
 * SHA-1 is not looked at.
 */
export function isDataCovered({ type, digests, data }: TcgEvent): boolean {
  return (
    type !== NO_ACTION &&
    digests.some(({ algorithm }) => algorithm !== 'sha1') &&
    digests.every(
      ({ algorithm, digest }) =>
        algorithm === 'sha1' || equalBytes(HASHES[algorithm](data), digest),
    )
  );
}
