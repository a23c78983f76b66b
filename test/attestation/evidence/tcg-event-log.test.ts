import assert from 'node:assert/strict';
import { test } from 'node:test';
import { concat, utf8 } from '../../../attestation/encoding/bytes.js';
import { parseTcgEventLog } from '../../../attestation/evidence/tcg-event-log.js';

const u16 = (value: number): Uint8Array => Uint8Array.of(value & 255, value >> 8);
const u32 = (value: number): Uint8Array => concat(u16(value & 0xffff), u16(value >>> 16));

const SIZES = { 11: 32, 12: 48 } as const;
type Algorithm = keyof typeof SIZES;

/** TCG_EfiSpecIdEvent with these algorithms. */
function header(algorithms: readonly Algorithm[]): Uint8Array {
  const body = concat(
    utf8('Spec ID Event03\0'),
    new Uint8Array(8),
    u32(algorithms.length),
    ...algorithms.flatMap((id) => [u16(id), u16(SIZES[id])]),
    Uint8Array.of(0),
  );
  return concat(u32(0), u32(3), new Uint8Array(20), u32(body.length), body);
}

/** EV_IPL of RTMR1 with a digest of each of these algorithms, and one byte of data. */
function event(algorithms: readonly Algorithm[]): Uint8Array {
  const digests = algorithms.flatMap((id) => [u16(id), new Uint8Array(SIZES[id]).fill(1)]);
  return concat(u32(2), u32(13), u32(algorithms.length), ...digests, u32(1), Uint8Array.of(1));
}

const both = header([0x0b, 0x0c]);
const refused = (log: Uint8Array, message: string) =>
  assert.throws(() => parseTcgEventLog(log), { code: 'EVENT_LOG_FORMAT', message });

test('an event has one digest of each algorithm, in any order', () => {
  const log = concat(both, event([0x0b, 0x0c]), event([0x0c, 0x0b]));
  assert.deepEqual(
    parseTcgEventLog(log).events.map(({ digests }) => digests.map(({ algorithm }) => algorithm)),
    [
      ['sha256', 'sha384'],
      ['sha384', 'sha256'],
    ],
  );
  refused(concat(both, event([0x0c])), 'expected event 0 to have 2 digests, not 1');
  refused(concat(both, event([])), 'expected event 0 to have 2 digests, not 0');
  refused(concat(header([0x0c]), event([0x0c, 0x0c])), 'expected event 0 to have 1 digests, not 2');
  refused(
    concat(both, event([0x0c, 0x0c])),
    'expected event 0 to have one digest of each algorithm',
  );
});

test('the header names each algorithm once', () => {
  refused(concat(header([0x0c, 0x0c]), event([0x0c, 0x0c])), 'expected each digest algorithm once');
});

test('a log has at most 16384 events', () => {
  const events = (count: number) => concat(header([0x0b]), ...Array(count).fill(event([0x0b])));
  assert.equal(parseTcgEventLog(events(16_384)).events.length, 16_384);
  refused(events(16_385), 'expected at most 16384 events');
});

test('a log has at most 4 MiB', () => {
  const log = new Uint8Array(4 * 1024 * 1024 + 1);
  log.set(concat(both, event([0x0b, 0x0c])));
  assert.equal(parseTcgEventLog(log.subarray(0, -1)).events.length, 1);
  refused(log, 'expected a log of at most 4194304 bytes, not 4194305');
});
