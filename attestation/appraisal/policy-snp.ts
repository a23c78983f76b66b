import * as z from 'zod';
import { GUEST_POLICY_BITS, PLATFORM_INFO_BITS } from '../evidence/snp-fields.js';
import { notEmpty, oneOf } from './policy-values.js';

const bits = <Name extends string>(names: { readonly [name in Name]: number }) =>
  z.array(z.enum(Object.keys(names) as [Name, ...Name[]])).min(1);

const byte = z.number().int().min(0).max(255);

/** Floors of TCB_VERSION components; `fmc` exists from Turin on and is required there. */
const tcb = z.strictObject({
  fmc: byte.optional(),
  bootLoader: byte,
  tee: byte,
  snp: byte,
  microcode: byte,
});

/** Floors for at least one of the report's four TCB versions. SPLs of different products do not compare. */
const tcbFloors = notEmpty(
  z.strictObject({
    reported: tcb.optional(),
    committed: tcb.optional(),
    current: tcb.optional(),
    launch: tcb.optional(),
  }),
);

const BITS = 'expected 0x and up to 16 hexadecimal digits';
/** Mitigation bits, `0x` and up to 16 hexadecimal digits; YAML reads short ones as numbers, and this as a bigint. */
const bitVector = z
  .union(
    [
      z.string().regex(/^0x[0-9a-fA-F]{1,16}$/, BITS),
      z.number().int().min(0),
      z.bigint().min(0n).max(0xffffffffffffffffn),
    ],
    { error: BITS },
  )
  .transform((bits) => BigInt(bits));

/**
 * Appraisal policy for SEV-SNP reports. What it does not mention must hold by default: DEBUG,
 * migration and CXL not allowed to the host, VMPL 0, no provisional firmware, an unmasked chip, no
 * PLATFORM_INFO bit without a name, a CRL. Members named `allow…` waive one of these, and the result
 * shows it. Identity fields that it does not mention are reported and not judged, except the
 * measurement: without reference values for it no report is affirmed.
 */
export const snpPolicySchema = z.strictObject({
  /** Expected MEASUREMENT, 48 bytes. */
  measurements: oneOf(48).optional(),
  /** Expected HOST_DATA, 32 bytes. */
  hostData: oneOf(32).optional(),
  /** Expected REPORT_DATA, 64 bytes. */
  reportData: oneOf(64).optional(),
  /** Expected FAMILY_ID, 16 bytes. */
  familyIds: oneOf(16).optional(),
  /** Expected IMAGE_ID, 16 bytes. */
  imageIds: oneOf(16).optional(),
  /** Expected REPORT_ID, 32 bytes. */
  reportIds: oneOf(32).optional(),
  /** Expected REPORT_ID_MA, 32 bytes. */
  reportIdsMa: oneOf(32).optional(),
  /** Expected ID_KEY_DIGEST, 48 bytes. */
  idKeyDigests: oneOf(48).optional(),
  /** Expected AUTHOR_KEY_DIGEST, 48 bytes; AUTHOR_KEY_EN must be set as well. */
  authorKeyDigests: oneOf(48).optional(),
  /** Whether AUTHOR_KEY_EN must be set. */
  requireAuthorKey: z.boolean().optional(),
  /** Machines: expected CHIP_ID, 64 bytes. */
  chipIds: oneOf(64).optional(),
  /** Product lines that are accepted; all with a trusted root unless given. */
  products: z
    .array(z.enum(['Milan', 'Genoa', 'Turin', 'Venice']))
    .min(1)
    .optional(),
  /** Keys that may have signed; both unless given. */
  signingKeys: z
    .array(z.enum(['VCEK', 'VLEK']))
    .min(1)
    .optional(),
  /** Expected CSP_ID of a VLEK. */
  cspIds: z.array(z.string().min(1)).min(1).optional(),
  /** VMPLs that may have asked for the report; 0 unless given. */
  vmpl: z.array(z.number().int().min(0).max(3)).min(1).optional(),
  guestPolicy: notEmpty(
    z.strictObject({
      /** Bits that must be one. */
      require: bits(GUEST_POLICY_BITS).optional(),
      /** Bits that must be zero, beside DEBUG, MIGRATE_MA and CXL_ALLOW. */
      forbid: bits(GUEST_POLICY_BITS).optional(),
      allowDebug: z.boolean().optional(),
      allowMigration: z.boolean().optional(),
      allowCxl: z.boolean().optional(),
      /** Floor of the ABI version that the guest's policy demands of the firmware. */
      minimumAbi: z.strictObject({ major: byte, minor: byte }).optional(),
    }),
  ).optional(),
  platformInfo: notEmpty(
    z.strictObject({
      require: bits(PLATFORM_INFO_BITS).optional(),
      forbid: bits(PLATFORM_INFO_BITS).optional(),
      allowUnknownBits: z.boolean().optional(),
    }),
  ).optional(),
  /** Floors by product line. A product without floors is refused once any product has them. */
  minimumTcb: notEmpty(
    z.strictObject({
      Milan: tcbFloors.optional(),
      Genoa: tcbFloors.optional(),
      Turin: tcbFloors.optional(),
      Venice: tcbFloors.optional(),
    }),
  ).optional(),
  /** Floor of the firmware's version, current and committed. */
  minimumFirmware: z.strictObject({ major: byte, minor: byte, build: byte.optional() }).optional(),
  minimumGuestSvn: z.number().int().min(0).max(0xffffffff).optional(),
  /** Mitigation bits that must be set (reports of version 5). */
  mitigations: notEmpty(
    z.strictObject({ launch: bitVector.optional(), current: bitVector.optional() }),
  ).optional(),
  /** Accepts firmware above what is committed: the host could still roll it back. */
  allowProvisionalFirmware: z.boolean().optional(),
  /** Accepts a CHIP_ID of zeros under a VCEK: then no chip is named. */
  allowMaskedChipId: z.boolean().optional(),
  /** Whether a current CRL of AMD's is needed; `required` unless given. */
  crl: z.enum(['required', 'optional']).optional(),
});

/** A parsed policy: hexadecimal in lower case, bit vectors as integers. */
export type SnpPolicy = z.output<typeof snpPolicySchema>;
