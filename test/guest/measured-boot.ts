import assert from 'node:assert/strict';
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { before, suite, test } from 'node:test';
import { toHex } from '../../attestation/encoding/bytes.js';
import { replayDigests } from '../../attestation/evidence/replay.js';
import {
  extendedEvents,
  parseTcgEventLog,
  type TcgEventLog,
} from '../../attestation/evidence/tcg-event-log.js';
import { fetchPackages } from '../../enclave/image/packages.js';
import { buildUki } from '../../enclave/image/uki.js';
import { type BootEvent, rtmr1Alternatives, rtmr2Events } from '../../enclave/measurement/rtmr.js';
import { repositoryRoot } from '../vectors.js';
import { type Machine, startMachine } from './machine.js';
import { makeOverlay } from './overlay.js';
import { guest, hostData, image, loadOrder, MINUTES, PATIENCE, unsigned } from './release.js';
import { startControlledTpm } from './software-tpm.js';

/** The image as one file, with the test's additions behind its initrd. */
async function makeUki(commandLine: string): Promise<Buffer> {
  const packages = await fetchPackages(
    join(repositoryRoot, 'enclave/image/packages.json'),
    join(repositoryRoot, '.cache/packages'),
  );
  const stub = join(
    packages.get('systemd-boot-efi') ?? '',
    'usr/lib/systemd/boot/efi/linuxx64.efi.stub',
  );
  const overlay = await makeOverlay(loadOrder, {
    tee: 'sev-snp',
    // With any other the service would end, and the machine with it, beside the agent's answer.
    hostData,
    measurement: '00'.repeat(48),
  });
  const initrd = Buffer.concat([readFileSync(join(image, 'initrd.lz4')), overlay.archive]);
  return buildUki(readFileSync(stub), [
    // As files of options end: the stub drops the blanks, and measures the section with them.
    ['.cmdline', Buffer.from(`${commandLine} \n`)],
    ['.uname', Buffer.from('7.2')],
    ['.linux', readFileSync(join(image, 'vmlinuz'))],
    ['.initrd', initrd],
  ]);
}

interface Measured {
  readonly registers: readonly string[];
  readonly log: TcgEventLog;
}

async function readMeasurements(machine: Machine): Promise<Measured> {
  const end = Date.now() + 2 * PATIENCE;
  for (;;) {
    try {
      const url = `http://127.0.0.1:${machine.agentPort}/measured%20boot`;
      const response = await fetch(url, { signal: AbortSignal.timeout(30_000) });
      const text = await response.text();
      assert.equal(response.status, 200, text);
      const { registers, log } = JSON.parse(text) as { registers: string[]; log: string };
      return { registers, log: parseTcgEventLog(new Uint8Array(Buffer.from(log, 'base64'))) };
    } catch (error) {
      const final = error instanceof assert.AssertionError || !machine.running();
      if (final || Date.now() > end) {
        throw new Error(machine.console(), { cause: error });
      }
      await new Promise((resume) => setTimeout(resume, 500));
    }
  }
}

/** Digests that were extended into these PCRs, in the order of the log. */
function logged({ log }: Measured, registers: readonly number[]): string[] {
  return registers
    .flatMap((register) => extendedEvents(log, register, 'sha384'))
    .sort((a, b) => a.event.index - b.event.index)
    .map(({ digest }) => toHex(digest));
}

/** Whether all of `expected` stand in `actual` in this order, whatever is between. */
function inOrder(actual: readonly string[], expected: readonly BootEvent[]): string[] {
  let at = 0;
  const missing: string[] = [];
  for (const { what, digest } of expected) {
    const found = actual.indexOf(toHex(digest), at);
    if (found < 0) missing.push(what);
    else at = found + 1;
  }
  return missing;
}

suite('measured boot under OVMF with a TPM', { timeout: 60 * MINUTES }, () => {
  let uki: Buffer = Buffer.alloc(0);
  let measured: Measured | undefined;

  before(async () => {
    uki = await makeUki(unsigned);
    const disk = join(guest, 'esp');
    mkdirSync(join(disk, 'EFI/BOOT'), { recursive: true });
    writeFileSync(join(disk, 'EFI/BOOT/BOOTX64.EFI'), uki);
    const variables = join(guest, 'variables.fd');
    copyFileSync('/usr/share/OVMF/OVMF_VARS_4M.fd', variables);
    rmSync(join(guest, 'tpm'), { recursive: true, force: true });
    const tpm = await startControlledTpm(join(guest, 'tpm'));
    const firmware = '/usr/share/OVMF/OVMF_CODE_4M.fd';
    const machine = await startMachine('measured', [
      ...['-drive', `if=pflash,format=raw,readonly=on,file=${firmware}`],
      ...['-drive', `if=pflash,format=raw,file=${variables}`],
      ...['-drive', `if=none,id=esp,format=raw,file=fat:rw:${disk}`],
      ...['-device', 'virtio-blk-pci,drive=esp,bootindex=0,disable-legacy=on'],
      ...['-chardev', `socket,id=tpm,path=${tpm.socket}`],
      ...['-tpmdev', 'emulator,id=tpm0,chardev=tpm', '-device', 'tpm-tis,tpmdev=tpm0'],
    ]);
    try {
      measured = await readMeasurements(machine);
    } finally {
      await machine.stop();
      await tpm.stop();
    }
  });

  test("the product's replayer arrives at every PCR that the firmware and the kernel extended", () => {
    assert.ok(measured);
    let registers = 0;
    let events = 0;
    for (let register = 0; register < 16; register++) {
      const extended = extendedEvents(measured.log, register, 'sha384');
      if (extended.length === 0) continue;
      const replayed = replayDigests(extended.map(({ digest }) => digest));
      assert.equal(toHex(replayed), measured.registers[register], `PCR ${register}`);
      registers += 1;
      events += extended.length;
    }
    assert.ok(registers >= 8, `only ${registers} registers in the log`);
    console.log(`replayed ${events} events of ${registers} PCRs`);
  });

  test('a log with one event changed, or two swapped, does not arrive there', () => {
    assert.ok(measured);
    const digests = extendedEvents(measured.log, 4, 'sha384').map(({ digest }) => digest);
    const [first, second, ...rest] = digests;
    assert.ok(first && second);
    const value = measured.registers[4];
    const changed = Uint8Array.from(first, (byte, index) => (index === 0 ? byte ^ 1 : byte));
    assert.notEqual(toHex(replayDigests([changed, second, ...rest])), value);
    assert.notEqual(toHex(replayDigests([second, first, ...rest])), value);
  });

  test('the computed events of RTMR1 are what the firmware logged, in that order', () => {
    assert.ok(measured);
    const events = rtmr1Alternatives({ kind: 'uki', image: uki, partitionTable: undefined })[0];
    assert.deepEqual(inOrder(logged(measured, [2, 3, 4, 5, 6]), events), []);
  });

  test('the computed events of RTMR2 are all that boot stub and kernel logged', () => {
    assert.ok(measured);
    const events = rtmr2Events({ kind: 'uki', image: uki, partitionTable: undefined });
    assert.deepEqual(
      logged(measured, [8, 9, 10, 11, 12, 13, 14, 15]),
      events.map(({ digest }) => toHex(digest)),
    );
  });
});
