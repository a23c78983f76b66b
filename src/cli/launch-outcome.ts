import type { ReferenceValues } from '../../attestation/appraisal/reference-values.js';
import { toHex } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { required } from '../../enclave/launch/deployment.js';
import { signatureOf } from '../../enclave/measurement/cpu-type.js';
import {
  idBlockFields,
  readIdBlock,
  type SignedIdBlock,
  signIdBlock,
} from '../../enclave/measurement/id-block.js';
import type { DirectBoot } from '../../enclave/measurement/kernel-hashes.js';
import { measureSnp, measureTdx, type TdxValues } from '../../enclave/measurement/launch-values.js';
import type { TdxBoot } from '../../enclave/measurement/rtmr.js';
import { enforcesSecureBoot } from '../../enclave/measurement/secure-boot.js';
import type { Io } from './io.js';
import {
  readDeployment,
  readImage,
  readLaunchPolicyDigest,
  readPartitionTable,
  readPrivateKey,
} from './launch-input.js';
import { DEFAULT_VMM, type LaunchOptions, refuseUncovered } from './launch-options.js';

/** What is measured: the options, and the ID block of a deployment file, which no option names. */
interface LaunchRequest extends LaunchOptions {
  readonly idBlock?: SignedIdBlock | undefined;
}

/** The options with what a deployment file says filled in; options win. */
async function complete(io: Io, given: LaunchOptions): Promise<LaunchRequest> {
  if (given.deployment === undefined) return given;
  const { boot, machine, snp, tee, launchPolicy } = await readDeployment(io, given.deployment);
  return {
    tee,
    firmware: given.firmware ?? required(boot.firmware, 'boot.firmware', 'a measurement'),
    kernel: boot.kernel,
    initrd: boot.initrd,
    commandLine: boot.commandLine,
    processors: [machine.processors],
    cpu: machine.cpu,
    features: snp.features,
    guestPolicy: snp.policy,
    idBlock:
      snp.idBlock &&
      readIdBlock(
        Buffer.from(snp.idBlock.block, 'base64'),
        Buffer.from(snp.idBlock.authentication, 'base64'),
      ),
    launchPolicy,
    ...given,
  };
}

async function readBoot(io: Io, options: LaunchOptions): Promise<DirectBoot | undefined> {
  if (options.kernel === undefined) {
    if (options.initrd === undefined && options.commandLine === undefined) return undefined;
    throw new AssayError('USAGE_OPTION', '--initrd and --command-line need --kernel');
  }
  return {
    kernel: await readImage(io, options.kernel),
    initrd: options.initrd === undefined ? new Uint8Array() : await readImage(io, options.initrd),
    commandLine: options.commandLine ?? '',
  };
}

/** Reference values, and what people are shown. */
export interface LaunchOutcome {
  readonly reference: ReferenceValues;
  readonly rows: readonly (readonly string[])[];
  readonly idBlock?: SignedIdBlock | undefined;
  readonly events?: TdxValues['events'];
  /** What to know of the values, beside them. */
  readonly notes?: readonly (readonly [what: string, note: string])[];
  /** Registers that the hardware will report and that are left open here, and why. */
  readonly notComputed?: readonly (readonly [register: string, why: string])[];
}

const NOT_STARTABLE =
  'it has no SEV metadata, so that QEMU starts no SEV-SNP guest with it: no machine reports these values';
const RTMR0_WHY = 'it covers the memory map, boot variables and ACPI tables that the host makes';
const RTMR3_WHY =
  'the enclave extends it while it runs; the bundle’s event log is replayed against it';
const NO_BOOT_WHY = 'it covers what is booted: give --kernel or --uki';
const DISK_WHY =
  'as computed it holds for an image that is started without a partition table; from a partitioned disk the firmware measures the GPT too: give --disk';

const SIGNED =
  'it enforces Secure Boot, and starts no kernel that is not signed for the keys that it comes with, as that of make image is not: give a copy with Secure Boot switched off (virt-fw-vars --set-false SecureBootEnable)';
const OLDER_QEMU =
  'as computed it holds for OVMF of edk2 since 2025, which takes the kernel as its file is, or any with QEMU 10.2 or later; else QEMU rewrites its setup header, and another value is reported';
const OLDER_OVMF =
  'as computed it holds for OVMF of edk2 since the middle of 2025, which puts initrd=initrd before the command line; older firmware puts it behind, and another value is reported';

/** What the registers of a direct boot depend on beside the boot, and whether there is one at all. */
function directNotes(boot: TdxBoot | undefined, firmware: Uint8Array): [string, string][] {
  if (boot?.kind !== 'direct') return [];
  const signed: [string, string][] = enforcesSecureBoot(firmware) ? [['firmware', SIGNED]] : [];
  const initrd: [string, string][] = boot.initrd.length > 0 ? [['RTMR2', OLDER_OVMF]] : [];
  return [...signed, ['RTMR1', OLDER_QEMU], ...initrd];
}

function openRegisters(boot: TdxBoot | undefined): [string, string][] {
  const booted: [string, string][] =
    boot === undefined
      ? [
          ['RTMR1', NO_BOOT_WHY],
          ['RTMR2', NO_BOOT_WHY],
        ]
      : [];
  const withoutDisk = boot?.kind === 'uki' && boot.partitionTable === undefined;
  const disk: [string, string][] = withoutDisk ? [['RTMR1 from a disk', DISK_WHY]] : [];
  return [['RTMR0', RTMR0_WHY], ...booted, ...disk, ['RTMR3', RTMR3_WHY]];
}

async function forSnp(
  io: Io,
  options: LaunchRequest,
  firmware: Uint8Array,
): Promise<LaunchOutcome> {
  const processors = options.processors ?? [1];
  const { measurements, inputs, startable } = measureSnp({
    firmware,
    firmwareDigest: options.firmwareDigest,
    boot: await readBoot(io, options),
    vmm: options.vmm ?? DEFAULT_VMM,
    processors,
    signature:
      options.cpuSignature === undefined
        ? signatureOf(options.cpu ?? 'EPYC-v4')
        : Number(options.cpuSignature),
    features: options.features ?? 1n,
  });
  const idBlock = await idBlockOf(io, options, measurements);
  const idKey = idBlock && toHex(idBlock.idKeyDigest);
  const authorKey = idBlock?.authorKeyDigest && toHex(idBlock.authorKeyDigest);
  const hostData =
    options.launchPolicy &&
    toHex((await readLaunchPolicyDigest(io, options.launchPolicy)).hostData);
  return {
    idBlock,
    notes: startable ? [] : [['firmware', NOT_STARTABLE]],
    rows: [
      ...measurements.map(({ processors: count, digest }) => [
        `MEASUREMENT, ${count} vCPU`,
        digest,
      ]),
      ...(hostData ? [['HOST_DATA', hostData]] : []),
    ],
    reference: {
      version: 1,
      snp: {
        measurements: measurements.map(({ digest }) => digest),
        ...(hostData && { hostData: [hostData] }),
        ...(idKey && { idKeyDigests: [idKey] }),
        ...(authorKey && { authorKeyDigests: [authorKey] }),
      },
      inputs: {
        ...inputs,
        ...(hostData && { 'launch policy': hostData }),
        ...(idKey && { 'id key': idKey }),
        ...(authorKey && { 'author key': authorKey }),
      },
    },
  };
}

/** Refuses an ID block with which the firmware would not start this launch: throws CONFIG_DEPLOYMENT. */
function checkLaunchDigest(given: SignedIdBlock, computed: string): SignedIdBlock {
  const named = toHex(idBlockFields(given.idBlock).launchDigest);
  if (named === computed) return given;
  throw new AssayError(
    'CONFIG_DEPLOYMENT',
    `the deployment's ID block is for MEASUREMENT ${named}, not ${computed}: sign one with --id-key`,
  );
}

/** The ID block of the launch: signed with the key of the options, or else the deployment's. */
async function idBlockOf(
  io: Io,
  options: LaunchRequest,
  measurements: readonly { readonly digest: string }[],
): Promise<SignedIdBlock | undefined> {
  const { idKey, idBlock } = options;
  if (idKey === undefined && idBlock === undefined) return undefined;
  const [only, ...more] = measurements;
  if (only === undefined || more.length > 0) {
    throw new AssayError('USAGE_OPTION', 'an ID block is for one number of --processors');
  }
  if (idKey === undefined) return idBlock && checkLaunchDigest(idBlock, only.digest);
  const authorKey = options.authorKey && (await readPrivateKey(io, options.authorKey));
  return signIdBlock(
    {
      launchDigest: Buffer.from(only.digest, 'hex'),
      familyId: options.familyId ?? new Uint8Array(16),
      imageId: options.imageId ?? new Uint8Array(16),
      guestSvn: options.guestSvn ?? 0,
      policy: options.guestPolicy ?? 0x30000n,
    },
    await readPrivateKey(io, idKey),
    ...(authorKey ? [authorKey] : []),
  );
}

async function forTdx(
  io: Io,
  options: LaunchOptions,
  firmware: Uint8Array,
): Promise<LaunchOutcome> {
  const boot = await readTdxBoot(io, options);
  const { mrTd, rtmr1, rtmr1Retried, rtmr2, events, inputs } = measureTdx({ firmware, boot });
  const mrConfigId =
    options.launchPolicy &&
    toHex((await readLaunchPolicyDigest(io, options.launchPolicy)).mrConfigId);
  return {
    events,
    notes: directNotes(boot, firmware),
    notComputed: openRegisters(boot),
    rows: [
      ['MRTD', mrTd],
      ...(rtmr1 ? [['RTMR1', rtmr1]] : []),
      ...rtmr1Retried.map((value) => ['or, after a retry', value]),
      ...(rtmr2 ? [['RTMR2', rtmr2]] : []),
      ...(mrConfigId ? [['MRCONFIGID', mrConfigId]] : []),
    ],
    reference: {
      version: 1,
      tdx: {
        mrTd: [mrTd],
        ...(rtmr1 && { rtmr1: [rtmr1, ...rtmr1Retried] }),
        ...(rtmr2 && { rtmr2: [rtmr2] }),
        ...(mrConfigId && { mrConfigId: [mrConfigId] }),
      },
      inputs: { ...inputs, ...(mrConfigId && { 'launch policy': mrConfigId }) },
    },
  };
}

async function readTdxBoot(io: Io, options: LaunchOptions): Promise<TdxBoot | undefined> {
  if (options.uki !== undefined) {
    const image = await readImage(io, options.uki);
    const partitionTable =
      options.disk === undefined ? undefined : await readPartitionTable(options.disk);
    return { kind: 'uki', image, partitionTable };
  }
  const direct = await readBoot(io, options);
  return direct && { kind: 'direct', ...direct };
}

/** Measures the launch that the options, or the deployment file that they name, describe. */
export async function launchOutcome(io: Io, given: LaunchOptions): Promise<LaunchOutcome> {
  const options = await complete(io, given);
  if (options.tee === undefined || options.firmware === undefined) {
    throw new AssayError('USAGE_OPTION', 'expected --deployment, or --tee and --firmware');
  }
  refuseUncovered(given, options.tee);
  const firmware = await readImage(io, options.firmware);
  return options.tee === 'sev-snp' ? forSnp(io, options, firmware) : forTdx(io, options, firmware);
}
