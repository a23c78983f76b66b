import { createHash } from 'node:crypto';
import { utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { authenticodeSha384 } from './authenticode.js';
import type { DirectBoot } from './kernel-hashes.js';
import { readUki } from './systemd-stub.js';

/** A digest that firmware, boot stub or kernel extends, and what it is of. */
export interface BootEvent {
  readonly what: string;
  readonly digest: Uint8Array;
}

/**
 * How the guest is started. `direct`: the host hands kernel, initrd and command line to the firmware
 * (`-kernel`). `uki`: the firmware starts a unified kernel image, from a disk with a partition table
 * or without.
 */
export type TdxBoot =
  | ({ readonly kind: 'direct' } & DirectBoot)
  | {
      readonly kind: 'uki';
      readonly image: Uint8Array;
      /** EV_EFI_GPT_EVENT data of the disk it is started from (`partitionTableEvent`); undefined without one. */
      readonly partitionTable: Uint8Array | undefined;
    };

const SEPARATOR = new Uint8Array(4);

const event = (what: string, data: Uint8Array): BootEvent => ({
  what,
  digest: new Uint8Array(createHash('sha384').update(data).digest()),
});
const phrase = (text: string): BootEvent => event(text, utf8(text));
const image = (what: string, bytes: Uint8Array): BootEvent => ({
  what,
  digest: authenticodeSha384(bytes),
});

const INVOCATION = phrase('Exit Boot Services Invocation');
const FAILURE = phrase('Exit Boot Services Returned with Failure');
const SUCCESS = phrase('Exit Boot Services Returned with Success');
/**
 * What firmware extends as boot services end. Where its memory map changed meanwhile it refuses Linux, which asks
 * once more (`drivers/firmware/efi/libstub`); edk2 tells of the failure, and older one (its issue 9925) not that it
 * was asked.
 */
const ENDINGS = [
  [INVOCATION, SUCCESS],
  [INVOCATION, FAILURE, INVOCATION, SUCCESS],
  [FAILURE, INVOCATION, SUCCESS],
] as const;

/**
 * RTMR1: boot applications (TCG PCRs 2 to 6; UEFI 2.10 section 38.4.1 maps PCRs to RTMRs). edk2
 * measures a PE image when it loads it, and a fixed phrase before it starts a boot option and around
 * ExitBootServices. The kernel of a direct boot is taken to be loaded as its file is: edk2 of 2025 asks QEMU
 * for it (`etc/boot/kernel`); what older firmware gets has another setup header before QEMU 10.2 (its commit
 * a7542a38).
 */
function bootedEvents(boot: TdxBoot): BootEvent[] {
  const calling = phrase('Calling EFI Application from Boot Option');
  const separator = event('separator', SEPARATOR);
  if (boot.kind === 'direct') {
    return [image('kernel (Authenticode)', boot.kernel), calling, separator];
  }
  const { partitionTable } = boot;
  return [
    calling,
    separator,
    ...(partitionTable === undefined ? [] : [event('partition table (GPT)', partitionTable)]),
    image('unified kernel image (Authenticode)', boot.image),
    image('kernel in the image (Authenticode)', readUki(boot.image).kernel),
  ];
}

/**
 * The events of RTMR1 with each ending that a start may have, the usual one first: the firmware lets Linux go at
 * once.
 */
export function rtmr1Alternatives(boot: TdxBoot): [BootEvent[], ...BootEvent[][]] {
  const booted = bootedEvents(boot);
  const [usual, ...others] = ENDINGS;
  return [[...booted, ...usual], ...others.map((ending) => [...booted, ...ending])];
}

/**
 * RTMR2: what the boot stub and Linux's EFI stub measure (TCG PCRs 8 to 15). Direct: the load options
 * that OVMF makes, and the initrd; MEASUREMENT_INPUT for a command line beyond ASCII. UKI: systemd-stub
 * first measures each section's name and contents (systemd-stub(7), PCR 11).
 */
export function rtmr2Events(boot: TdxBoot): BootEvent[] {
  if (boot.kind === 'direct') return linuxStub(loadOptions(boot), boot.initrd);
  const { measured, commandLine, initrd } = readUki(boot.image);
  const sections = measured.flatMap(({ name, contents }) => [
    event(`name of section ${name}`, utf8(`${name}\0`)),
    event(`section ${name}`, contents),
  ]);
  return [...sections, ...linuxStub(commandLine, initrd)];
}

/**
 * The load options that OVMF gives the kernel (edk2 `OvmfPkg/Library/GenericQemuLoadImageLib`).
 * `initrd=initrd` comes first since edk2's commit a2ac0fea of 2025; before it, it came last. OVMF widens
 * bytes, so that characters beyond ASCII would become others.
 */
function loadOptions({ commandLine, initrd }: DirectBoot): string {
  if (utf8(commandLine).some((byte) => byte === 0 || byte > 0x7f)) {
    throw new AssayError(
      'MEASUREMENT_INPUT',
      'expected a command line of ASCII characters: the firmware hands on no others as they are',
    );
  }
  return initrd.length === 0 ? commandLine : `initrd=initrd ${commandLine}`;
}

/**
 * Linux `drivers/firmware/efi/libstub`: load options as UTF-16 with their NUL, then the initrd. What is
 * empty is not measured.
 */
function linuxStub(options: string, initrd: Uint8Array): BootEvent[] {
  const loaded = event('command line (UTF-16)', Buffer.from(`${options}\0`, 'utf16le'));
  return [
    ...(options === '' ? [] : [loaded]),
    ...(initrd.length === 0 ? [] : [event('initrd', initrd)]),
  ];
}
