import { createHash } from 'node:crypto';
import { concat, isZero } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import type { Firmware } from './firmware.js';
import { type DirectBoot, kernelHashesPage } from './kernel-hashes.js';
import { readSevMetadata, type SevSection } from './snp-firmware.js';
import { saveAreas, type Vmm } from './vmsa.js';

const PAGE = 4096;
const DIGEST_BYTES = 48;
const ZERO_DIGEST = new Uint8Array(DIGEST_BYTES);
/** Where the firmware of the processor accounts save areas: -1, page-aligned, 48 bits. */
const SAVE_AREA_ADDRESS = 0xfffffffff000n;
const MAX_PROCESSORS = 4096;

/** AMD 56860, SNP_LAUNCH_UPDATE: page types. */
const PageType = { normal: 1, saveArea: 2, zero: 3, unmeasured: 4, secrets: 5, cpuid: 6 } as const;

/** Everything that decides MEASUREMENT of an SEV-SNP guest. */
export interface SnpLaunch {
  readonly firmware: Firmware;
  /**
   * The digest after the firmware's own pages, where its publisher gives no more than that; then
   * only the metadata of `firmware` counts.
   */
  readonly firmwareDigest?: Uint8Array | undefined;
  /** Undefined where the host does not load a kernel beside the firmware. */
  readonly boot: DirectBoot | undefined;
  readonly vmm: Vmm;
  readonly processors: number;
  /** CPUID signature; no matter on EC2 and GCE. */
  readonly signature: number;
  /** SEV_FEATURES of the save area; bit 0 (SNP) is always set in a guest that runs. */
  readonly features: bigint;
}

/** The running digest of SNP_LAUNCH_UPDATE (AMD 56860, "Measurement", PAGE_INFO). */
class LaunchDigest {
  value: Uint8Array;

  constructor(value: Uint8Array) {
    if (value.length !== DIGEST_BYTES) {
      throw new AssayError('MEASUREMENT_INPUT', 'expected 48 bytes of firmware digest');
    }
    this.value = value;
  }

  #page(type: number, address: bigint, contents: Uint8Array): void {
    const info = new Uint8Array(0x70);
    info.set(this.value, 0);
    info.set(contents, DIGEST_BYTES);
    const view = new DataView(info.buffer);
    view.setUint16(0x60, info.length, true);
    view.setUint8(0x62, type);
    view.setBigUint64(0x68, address, true);
    this.value = sha384(info);
  }

  contents(address: number, data: Uint8Array): void {
    for (let at = 0; at < data.length; at += PAGE) {
      this.#page(PageType.normal, BigInt(address + at), sha384(data.subarray(at, at + PAGE)));
    }
  }

  saveArea(page: Uint8Array): void {
    this.#page(PageType.saveArea, SAVE_AREA_ADDRESS, sha384(page));
  }

  /** Pages whose contents do not count, only their place and type. */
  blank(type: number, address: number, size: number): void {
    for (let at = 0; at < size; at += PAGE) this.#page(type, BigInt(address + at), ZERO_DIGEST);
  }
}

function sha384(...parts: readonly Uint8Array[]): Buffer {
  return createHash('sha384')
    .update(concat(...parts))
    .digest();
}

/** MEASUREMENT (48 bytes) that the hardware will report for this launch. */
export function snpLaunchDigest(launch: SnpLaunch): Uint8Array {
  const { firmware, vmm, processors, boot } = launch;
  if (!Number.isInteger(processors) || processors < 1 || processors > MAX_PROCESSORS) {
    throw new AssayError(
      'MEASUREMENT_INPUT',
      `expected 1 to ${MAX_PROCESSORS} processors, not ${processors}`,
    );
  }
  const metadata = readSevMetadata(firmware);
  const hashed = metadata.sections.some((section) => section.kind === 'kernel-hashes');
  if (boot !== undefined && (!hashed || metadata.hashTableAddress === 0)) {
    throw new AssayError(
      'MEASUREMENT_FIRMWARE',
      'this firmware does not check a kernel that the host loads: use OVMF built for AmdSev (ovmf-amdsev), or a UKI on a disk',
    );
  }
  const digest = new LaunchDigest(launch.firmwareDigest ?? ZERO_DIGEST);
  if (launch.firmwareDigest === undefined) digest.contents(firmware.address, firmware.image);
  for (const section of inOrder(metadata.sections, vmm)) {
    addSection(digest, section, vmm, boot && kernelHashesPage(boot, metadata.hashTableAddress));
  }
  const { resetAddress } = metadata;
  for (const page of saveAreas(vmm, processors, resetAddress, launch.signature, launch.features)) {
    digest.saveArea(page);
  }
  return new Uint8Array(digest.value);
}

/** EC2 adds the CPUID page last. */
function inOrder(sections: readonly SevSection[], vmm: Vmm): readonly SevSection[] {
  if (vmm !== 'ec2') return sections;
  const isCpuid = (section: SevSection): boolean => section.kind === 'cpuid';
  return [...sections.filter((section) => !isCpuid(section)), ...sections.filter(isCpuid)];
}

function addSection(
  digest: LaunchDigest,
  { kind, address, size }: SevSection,
  vmm: Vmm,
  hashes: Uint8Array | undefined,
): void {
  switch (kind) {
    case 'memory':
      digest.blank(vmm === 'gce' ? PageType.unmeasured : PageType.zero, address, size);
      return;
    case 'secrets':
      digest.blank(PageType.secrets, address, PAGE);
      return;
    case 'cpuid':
      digest.blank(PageType.cpuid, address, PAGE);
      return;
    case 'svsm-caa':
      digest.blank(PageType.zero, address, size);
      return;
    default:
      if (hashes !== undefined && !isZero(hashes)) digest.contents(address, hashes);
      else digest.blank(PageType.zero, address, size);
  }
}
