import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { fromHex, toHex } from '../../attestation/encoding/bytes.js';
import { findReplayFault } from '../../attestation/evidence/replay.js';
import {
  extendedEvents,
  parseTcgEventLog,
  type TcgEvent,
} from '../../attestation/evidence/tcg-event-log.js';
import { partitionTableEvent } from '../../enclave/measurement/partition-table.js';
import { PROTECTIVE_MBR } from '../forge/gpt.js';
import { encodeTcgEventLog } from '../forge/tcg-log.js';

/** Has CCEL logs of genuine TDX guests among its test data, and the registers that belong to them. */
const MODULE = 'github.com/google/go-eventlog@v0.0.2';

/** RTMR0 to RTMR2 as the guests' quotes had them: ccel/replay_test.go of the module. */
const REGISTERS: Readonly<Record<string, readonly string[]>> = {
  'cos-113-intel-tdx.bin': [
    '3fa2f61f395b7f5feefb4ec2df61297f109ad8abcd6410c1b7df60f21f37b19297fc35e544039c7e1edece752afd17f6',
    'f62dbc072bd5d3f3438b7b35c39a727f5aea2ffc2473f43723953f530daf62504f0a7944aa62c41a86e8a878c2b122c1',
    '4969684dc87381fc3b3134176c8d8806eaf0a901859f5f70cfae8d17714b46c10a8de219048c9fc09f11f381a6fbe7c1',
  ],
  'cos-113-intel-tdx-dupe-separator.bin': [
    'a4de2df23e9611299123ba4359c42a5e578b0f8488bf1bba8ef5606d9ea5d81c97c064b482a5eac537d166bd0f0f752d',
    '0ee9366c928a77092f55e9e114c7394181fd264699155f0df77d23577618d5f650568a17d379355a07bd846e552f4e20',
    '4969684dc87381fc3b3134176c8d8806eaf0a901859f5f70cfae8d17714b46c10a8de219048c9fc09f11f381a6fbe7c1',
  ],
};

const { status, stdout: downloaded } = spawnSync('go', ['mod', 'download', '-json', MODULE], {
  cwd: tmpdir(),
  timeout: 120_000,
});
const skip = status === 0 ? false : 'there is no Go here that could fetch the logs';

/** EV_EFI_GPT_EVENT. */
const GPT_EVENT = 0x8000_0006;

test('what firmware measured of genuine disks is what is computed of them', { skip }, async () => {
  const { Dir: folder } = JSON.parse(downloaded.toString()) as { readonly Dir: string };
  for (const file of Object.keys(REGISTERS)) {
    const bytes = readFileSync(join(folder, 'testdata/eventlogs/ccel', file));
    const event = parseTcgEventLog(new Uint8Array(bytes)).events.find(
      ({ type }) => type === GPT_EVENT,
    );
    const data = Buffer.from(event?.data ?? []);
    // The disk as far as the event tells of it: the block of the header, and the entries in use.
    const disk = Buffer.alloc(2 ** 20);
    disk.set(PROTECTIVE_MBR);
    disk.set(data.subarray(0, 92), 512);
    disk.set(data.subarray(100), Number(data.readBigUInt64LE(72)) * 512);
    const read = async (at: number, length: number) => disk.subarray(at, at + length);
    assert.deepEqual(await partitionTableEvent(read), data, file);
    const digest = event?.digests.find(({ algorithm }) => algorithm === 'sha384')?.digest;
    assert.equal(toHex(digest ?? new Uint8Array()), hash('sha384', data), file);
  }
});

test('genuine CCEL logs lead to the registers that their guests had', { skip }, () => {
  const { Dir: folder } = JSON.parse(downloaded.toString()) as { readonly Dir: string };
  for (const [file, registers] of Object.entries(REGISTERS)) {
    const bytes = new Uint8Array(readFileSync(join(folder, 'testdata/eventlogs/ccel', file)));
    const log = parseTcgEventLog(bytes);
    assert.deepEqual(encodeTcgEventLog(log), bytes);
    const isOfRtmr = ({ register, type }: TcgEvent) => register >= 1 && register <= 4 && type !== 3;
    assert.ok(log.events.every(isOfRtmr), `${file} has events that an appraisal would refuse`);
    for (const [i, register] of registers.entries()) {
      const digests = extendedEvents(log, i + 1, 'sha384').map(({ digest }) => digest);
      assert.equal(findReplayFault(digests, fromHex(register)), undefined, `${file}, RTMR${i}`);
      const [first, second, ...rest] = digests;
      if (first === undefined || second === undefined) assert.fail();
      if (toHex(first) === toHex(second)) continue;
      const reordered = findReplayFault([second, first, ...rest], fromHex(register));
      assert.deepEqual(reordered, { kind: 'reordered', at: 1 });
      assert.equal(findReplayFault([second, ...rest], fromHex(register))?.kind, 'unknown');
    }
  }
});
