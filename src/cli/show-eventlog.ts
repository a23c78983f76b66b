import type { Command } from 'commander';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import {
  decodeRuntimeLog,
  replayRuntimeLog,
  runtimeEventDigest,
} from '../../attestation/evidence/event-log.js';
import { replayDigests } from '../../attestation/evidence/replay.js';
import {
  eventTypeName,
  extendedEvents,
  type HashAlgorithm,
  isDataCovered,
  parseTcgEventLog,
  type TcgEvent,
  type TcgEventLog,
} from '../../attestation/evidence/tcg-event-log.js';
import { bundleOf } from './bundle-input.js';
import { readInput } from './input-files.js';
import type { Io } from './io.js';
import { examples, group } from './options.js';
import { section } from './output.js';

/** An event for people. */
interface Line {
  readonly index: number;
  readonly register: string;
  readonly type: string;
  readonly digest: string;
  readonly content: string;
  /** Whether what extends the register is of the content, so that a matching register vouches for it. */
  readonly covered: boolean;
}

/** A register as the log leads to it. */
interface Register {
  readonly register: string;
  readonly algorithm: string;
  readonly value: string;
  readonly events: number;
}

interface Shown {
  readonly format: string;
  readonly events: readonly Line[];
  readonly registers: readonly Register[];
}

const TD_REGISTERS = ['MRTD', 'RTMR0', 'RTMR1', 'RTMR2', 'RTMR3'] as const;
/** Whether no event of a TD's boot extends the register: MRTD is complete before, and 4 is the last RTMR. */
const isNoRtmr = ({ register }: TcgEvent): boolean =>
  register < 1 || register >= TD_REGISTERS.length;
const SHOWN_BYTES = 48;

/** Event data as text where it is text (UTF-8 or UTF-16), else hexadecimal, cut to a line. */
function contentOf({ data }: TcgEvent): string {
  const wide = data.length > 3 && data.length % 2 === 0 && data[1] === 0 && data[3] === 0;
  const decoded = new TextDecoder(wide ? 'utf-16le' : 'utf-8').decode(data);
  const text = /^([\x20-\x7e\n\t]+)\0*$/.exec(decoded)?.[1];
  if (text !== undefined) return text;
  const shown = toHex(data.subarray(0, SHOWN_BYTES));
  return data.length > SHOWN_BYTES ? `${shown}… (${data.length} bytes)` : shown;
}

function showTcg(log: TcgEventLog): Shown {
  const algorithms = log.algorithms.filter(
    (name): name is Exclude<HashAlgorithm, 'sha1'> => name !== 'sha1',
  );
  const isTd = log.algorithms.length === 1 && log.algorithms[0] === 'sha384';
  const nameOf = (register: number): string =>
    (isTd ? TD_REGISTERS[register] : undefined) ?? `${isTd ? 'register' : 'PCR'} ${register}`;
  const registers = [...new Set(log.events.map(({ register }) => register))].sort((a, b) => a - b);
  return {
    format: `TCG crypto-agile log, ${log.algorithms.join(', ')}`,
    events: log.events.map((event) => ({
      index: event.index,
      register: nameOf(event.register),
      type: eventTypeName(event.type),
      digest: toHex(event.digests.at(-1)?.digest ?? new Uint8Array()),
      content: contentOf(event),
      covered: isDataCovered(event) && !(isTd && isNoRtmr(event)),
    })),
    registers: registers.flatMap((register) =>
      algorithms.map((algorithm) => {
        const extended = extendedEvents(log, register, algorithm);
        const value = replayDigests(
          extended.map(({ digest }) => digest),
          algorithm,
        );
        return {
          register: nameOf(register),
          algorithm,
          value: toHex(value),
          events: extended.length,
        };
      }),
    ),
  };
}

function showRuntime(bytes: Uint8Array): Shown {
  const events = decodeRuntimeLog(bytes);
  return {
    format: 'Assay RTMR3 log',
    events: events.map((event, index) => ({
      index,
      register: 'RTMR3',
      type: event.type,
      digest: toHex(runtimeEventDigest(event)),
      content: toHex(event.content),
      covered: true,
    })),
    registers: [
      {
        register: 'RTMR3',
        algorithm: 'sha384',
        value: toHex(replayRuntimeLog(events)),
        events: events.length,
      },
    ],
  };
}

/** The log that a bundle carries; other bytes as they are. */
function logIn(bytes: Uint8Array): Uint8Array {
  const log = bundleOf('tdx', bytes)?.eventLog;
  if (log === null) throw new AssayError('EVENT_LOG_FORMAT', 'the bundle carries no event log');
  return log ?? bytes;
}

async function show(io: Io, path: string): Promise<void> {
  const bytes = logIn(await readInput(io, path));
  // Assay's own log is a CBOR map; a TCG log begins with a register's number.
  const shown = (bytes[0] ?? 0) >> 5 === 5 ? showRuntime(bytes) : showTcg(parseTcgEventLog(bytes));
  const { format, events, registers } = shown;
  const json = {
    format,
    events: events.map((line) => ({ ...line })),
    registers: registers.map((register) => ({ ...register })),
  };
  io.print(json, (style) =>
    [
      `${format}; not checked against any quote\n`,
      section(
        style,
        'Events',
        events.map(({ index, register, type, digest, content, covered }) => [
          String(index),
          register,
          type,
          digest.slice(0, 16),
          covered ? 'covered' : 'not covered',
          content.slice(0, 100),
        ]),
      ),
      section(
        style,
        'Registers after these events, from zero',
        registers.map(({ register, algorithm, value, events: count }) => [
          register,
          algorithm,
          `${count} events`,
          value,
        ]),
      ),
    ].join('\n'),
  );
}

/** `assay show eventlog FILE`: events and what they lead to, without judging them. */
export function registerShowEventLog(program: Command, io: Io): void {
  group(program, 'show')
    .command('eventlog')
    .description('explain an event log: ACPI CCEL, a TPM’s TCG2 log, or Assay’s RTMR3 log')
    .argument('<file>', 'event log, or the Assay bundle that carries one; - for standard input')
    .addHelpText(
      'after',
      examples(
        'assay show eventlog /sys/firmware/acpi/tables/data/CCEL',
        'assay show eventlog log.cbor --json',
      ),
    )
    .action((path: string) => show(io, path));
}
