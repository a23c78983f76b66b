import { createHash } from 'node:crypto';
import { toHex } from '../../attestation/encoding/bytes.js';
import { replayDigests } from '../../attestation/evidence/replay.js';
import { parseFirmware } from './firmware.js';
import type { DirectBoot } from './kernel-hashes.js';
import { mrtd } from './mrtd.js';
import { type BootEvent, rtmr1Alternatives, rtmr2Events, type TdxBoot } from './rtmr.js';
import { snpLaunchDigest } from './snp-digest.js';
import { readSevMetadata } from './snp-firmware.js';
import { savesSignature, type Vmm } from './vmsa.js';

/** What decides the measurement of an SEV-SNP launch; one digest for each number of processors. */
export interface SnpRequest {
  readonly firmware: Uint8Array;
  readonly firmwareDigest: Uint8Array | undefined;
  readonly boot: DirectBoot | undefined;
  readonly vmm: Vmm;
  readonly processors: readonly number[];
  readonly signature: number;
  readonly features: bigint;
}

export interface TdxRequest {
  readonly firmware: Uint8Array;
  readonly boot: TdxBoot | undefined;
}

/** Computed digests in hexadecimal, and the inputs that made them, as text. */
export interface SnpValues {
  readonly measurements: readonly { readonly processors: number; readonly digest: string }[];
  readonly inputs: Readonly<Record<string, string>>;
  /** False where QEMU would not start this firmware, so that no machine reports these digests. */
  readonly startable: boolean;
}

export interface TdxValues {
  readonly mrTd: string;
  readonly rtmr1: string | undefined;
  /** What RTMR1 is instead where the firmware refused to let Linux go at once. */
  readonly rtmr1Retried: readonly string[];
  readonly rtmr2: string | undefined;
  /** What is extended, in order, so that a boot log can be compared line by line. */
  readonly events: readonly (BootEvent & { readonly register: 1 | 2 })[];
  readonly inputs: Readonly<Record<string, string>>;
}

/** A file as an input: its SHA-256 and size. */
function file(bytes: Uint8Array): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')} (${bytes.length} bytes)`;
}

function bootInputs(boot: DirectBoot | undefined): Record<string, string> {
  if (boot === undefined) return {};
  return {
    kernel: file(boot.kernel),
    initrd: file(boot.initrd),
    'command line': boot.commandLine,
  };
}

export function measureSnp(request: SnpRequest): SnpValues {
  const { boot, vmm, signature, features } = request;
  const firmware = parseFirmware(request.firmware);
  const measurements = request.processors.map((processors) => ({
    processors,
    digest: toHex(snpLaunchDigest({ ...request, firmware, processors })),
  }));
  return {
    measurements,
    startable: readSevMetadata(firmware).described,
    inputs: {
      tee: 'sev-snp',
      firmware: file(request.firmware),
      ...(request.firmwareDigest && { 'firmware digest': toHex(request.firmwareDigest) }),
      ...bootInputs(boot),
      vmm,
      processors: request.processors.join(', '),
      ...(savesSignature(vmm) && {
        'cpu signature': `0x${signature.toString(16).padStart(8, '0')}`,
      }),
      features: `0x${features.toString(16)}`,
    },
  };
}

function rtmr(events: readonly BootEvent[]): string {
  return toHex(replayDigests(events.map(({ digest }) => digest)));
}

export function measureTdx({ firmware, boot }: TdxRequest): TdxValues {
  const [events1, ...retried] = boot === undefined ? [[]] : rtmr1Alternatives(boot);
  const events2 = boot === undefined ? [] : rtmr2Events(boot);
  return {
    mrTd: toHex(mrtd(parseFirmware(firmware))),
    rtmr1: boot && rtmr(events1),
    rtmr1Retried: retried.map(rtmr),
    rtmr2: boot && rtmr(events2),
    events: [
      ...events1.map((event) => ({ ...event, register: 1 as const })),
      ...events2.map((event) => ({ ...event, register: 2 as const })),
    ],
    inputs: {
      tee: 'tdx',
      firmware: file(firmware),
      ...(boot?.kind === 'direct' ? bootInputs(boot) : {}),
      ...(boot?.kind === 'uki' && {
        'unified kernel image': file(boot.image),
        ...(boot.partitionTable && { 'partition table': file(boot.partitionTable) }),
      }),
    },
  };
}
