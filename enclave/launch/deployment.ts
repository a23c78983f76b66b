import * as z from 'zod';
import { AssayError } from '../../attestation/encoding/error.js';
import { hex, schemaError } from '../../attestation/encoding/schema.js';
import { isGuestPolicy } from '../../attestation/evidence/snp-fields.js';
import { kubernetesSchema } from '../deploy/specification.js';
import { CPU_TYPES } from '../measurement/cpu-type.js';
import {
  ID_AUTH_BYTES,
  ID_BLOCK_BYTES,
  ID_BLOCK_VERSION,
  idBlockFields,
} from '../measurement/id-block.js';
import { commandLine, plain } from '../plain-text.js';

const path = plain.regex(/^[^ ,]+$/, 'expected no spaces or commas');
const identifier = z
  .string()
  .regex(
    /^[a-z]([a-z0-9-]{0,29}[a-z0-9])?$/,
    'expected a lower-case name of letters, digits and, within, hyphens',
  );
/** Of a network interface; Linux takes 15 characters. */
const interfaceName = z
  .string()
  .regex(
    /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/,
    'expected the name of a network interface, of up to 15 letters, digits and, within, _, . and -',
  );
const port = z.number().int().min(1).max(65535);
const FLAGS = 'expected an integer such as 0x30000, of up to 64 bits; in quotes from 53 bits on';
/** As text, or as the integer that YAML makes of `0x30000` without quotes. */
const flags = z
  .union([z.string().regex(/^0x[0-9a-fA-F]{1,16}$/, FLAGS), z.int().nonnegative()], {
    error: FLAGS,
  })
  .transform((value) => BigInt(value));
const hexadecimal = (value: bigint): string => `0x${value.toString(16)}`;
const base64 = (bytes: number) =>
  z.base64().refine((text) => Buffer.from(text, 'base64').length === bytes, {
    error: `expected ${bytes} bytes in base64`,
    abort: true,
  });

/** An ID block with which the firmware would not start the guest: of another version, or for another policy. */
function refuseOtherPolicy(
  snp: { readonly policy: bigint; readonly idBlock?: { readonly block: string } | undefined },
  context: z.RefinementCtx,
): void {
  if (snp.idBlock === undefined) return;
  const { version, policy } = idBlockFields(Buffer.from(snp.idBlock.block, 'base64'));
  const refuse = (message: string): void =>
    context.addIssue({ code: 'custom', path: ['idBlock', 'block'], message });
  if (version !== ID_BLOCK_VERSION) {
    refuse(`expected an ID block of version ${ID_BLOCK_VERSION}, not ${version}`);
  }
  if (policy !== snp.policy) {
    refuse(
      `expected an ID block for policy ${hexadecimal(snp.policy)}, not ${hexadecimal(policy)}`,
    );
  }
}

const members = z.strictObject({
  version: z.literal(1),
  /** Names the guest everywhere; its MAC address is of this name, and so one network has no two of one name. */
  name: identifier,
  tee: z.enum(['sev-snp', 'tdx']),
  /** Launch policy file (YAML or JSON), relative to the deployment file. */
  launchPolicy: path,
  boot: z.strictObject({
    /** OVMF that carries SEV metadata or TDVF sections. Bare metal and libvirt only. */
    firmware: path.optional(),
    /** What the host hands to the firmware. */
    kernel: path,
    initrd: path,
    commandLine,
  }),
  /** A cloud's machine type decides it instead. */
  machine: z.strictObject({
    processors: z.number().int().min(1).max(512).default(2),
    memoryMiB: z.number().int().min(1024).max(4194304).default(4096),
    /** QEMU's processor model; TDX guests always get the host's. */
    cpu: z.enum(CPU_TYPES as [string, ...string[]]).default('EPYC-v4'),
  }),
  service: z
    .strictObject({
      /** Port of the gRPC service inside the guest, and where QEMU's user-mode networking offers it (8443). */
      port: port.default(8443),
      hostPort: port.optional(),
      /** Address of the host that the port is offered on (user-mode networking); 127.0.0.1 unless given. */
      hostAddress: z.ipv4().optional(),
      /** Host bridge to join instead of user-mode networking. */
      bridge: interfaceName.optional(),
    })
    .prefault({}),
  snp: z
    .strictObject({
      /** Guest policy (AMD 56860, "Guest policy"). */
      policy: flags
        .refine(isGuestPolicy, 'bit 17 must be one, and bits 63:26 zero')
        .default(0x30000n),
      /** SEV_FEATURES of the save areas: QEMU and libvirt have no option that sets another bit. */
      features: flags.refine((value) => value === 1n, 'expected 0x1').default(1n),
      /** Position of the encryption bit (CPUID 8000001F EBX). */
      cBitPosition: z.number().int().min(32).max(63).default(51),
      /**
       * ID block of this policy, and its authentication:
       * `idBlock` and `idAuth` of `assay measure launch`, base64.
       */
      idBlock: z
        .strictObject({ block: base64(ID_BLOCK_BYTES), authentication: base64(ID_AUTH_BYTES) })
        .optional(),
    })
    .superRefine(refuseOtherPolicy)
    .prefault({}),
  tdx: z
    .strictObject({
      /** vsock of the host's quote generation service, 2:4050 unless given; libvirt has its own socket. */
      quoteGeneration: z
        .strictObject({ cid: z.number().int().min(2).optional(), port: port.optional() })
        .optional(),
      mrOwner: hex(48).optional(),
      mrOwnerConfig: hex(48).optional(),
    })
    .prefault({}),
  gcp: z
    .strictObject({
      project: plain,
      zone: plain,
      machineType: plain,
      /** Custom image made from the UKI's disk. */
      image: plain,
      /** Network that the firewall lets callers into, and a subnet of it. */
      network: path.default('default'),
      subnet: path.default('default'),
      sourceRanges: z.array(z.cidrv4()).min(1),
    })
    .optional(),
  aws: z
    .strictObject({
      region: plain,
      instanceType: plain,
      ami: z.string().regex(/^ami-[0-9a-f]{8,17}$/, 'expected an AMI id'),
      subnet: z.string().regex(/^subnet-[0-9a-f]{8,17}$/, 'expected a subnet id'),
      securityGroup: z.string().regex(/^sg-[0-9a-f]{8,17}$/, 'expected a security group id'),
    })
    .optional(),
  azure: z
    .strictObject({
      resourceGroup: plain,
      location: plain,
      size: plain,
      /** Image version of a gallery whose definition supports confidential VMs. */
      image: plain,
      subnet: plain,
    })
    .optional(),
  kubernetes: kubernetesSchema.optional(),
});

const schema = members.refine(
  ({ service, kubernetes }) => kubernetes?.metricsPort !== service.port,
  { error: "expected another port than the service's", path: ['kubernetes', 'metricsPort'] },
);

/** A deployment: one guest, wherever it is to run. */
export type Deployment = z.output<typeof schema>;

/** Reads the parsed YAML of a deployment file; unknown members are errors. Throws CONFIG_DEPLOYMENT. */
export function parseDeployment(value: unknown): Deployment {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  throw schemaError('CONFIG_DEPLOYMENT', 'the deployment file is not valid', result.error);
}

/** Member that a target needs; throws CONFIG_DEPLOYMENT where the file lacks it. */
export function required<T>(member: T | undefined, name: string, target: string): T {
  if (member !== undefined) return member;
  throw new AssayError(
    'CONFIG_DEPLOYMENT',
    `${target} needs the member ${name} in the deployment file`,
  );
}

/** Refuses a member that a target cannot honour, by its name: throws CONFIG_DEPLOYMENT. */
export function refuseUnused(members: Readonly<Record<string, unknown>>, target: string): void {
  const name = Object.keys(members).find((each) => members[each] !== undefined);
  if (name === undefined) return;
  throw new AssayError('CONFIG_DEPLOYMENT', `${target} has no use for ${name}: leave it out`);
}

/** What a deployment states for guests of this hardware, by the members' names. */
function statedFor(tee: Deployment['tee'], { snp, tdx }: Deployment): Record<string, unknown> {
  if (tee === 'sev-snp') return { 'snp.idBlock': snp.idBlock };
  return {
    'tdx.quoteGeneration': tdx.quoteGeneration,
    'tdx.mrOwner': tdx.mrOwner,
    'tdx.mrOwnerConfig': tdx.mrOwnerConfig,
  };
}

/** Refuses what is stated for the hardware that the guest does not run on: throws CONFIG_DEPLOYMENT. */
export function refuseOtherHardware(deployment: Deployment): void {
  const { tee } = deployment;
  refuseUnused(statedFor(tee === 'tdx' ? 'sev-snp' : 'tdx', deployment), `tee: ${tee}`);
}

/** Refuses what only the operator's own host can honour: throws CONFIG_DEPLOYMENT. */
export function refuseHostMembers(deployment: Deployment, target: string): void {
  const { hostPort, hostAddress, bridge } = deployment.service;
  const network = {
    'service.hostPort': hostPort,
    'service.hostAddress': hostAddress,
    'service.bridge': bridge,
  };
  refuseUnused({ ...network, ...statedFor(deployment.tee, deployment) }, target);
}
