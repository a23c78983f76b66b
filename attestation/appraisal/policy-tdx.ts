import * as z from 'zod';
import { hex } from '../encoding/schema.js';
import { TD_ATTRIBUTE_BITS, type TdAttributeBit } from '../evidence/tdx-fields.js';
import { notEmpty, oneOf } from './policy-values.js';

const digests = oneOf(48).optional();

const attributes = z
  .array(z.enum(Object.keys(TD_ATTRIBUTE_BITS) as [TdAttributeBit, ...TdAttributeBit[]]))
  .min(1);

/** Statuses that a policy may accept; Revoked is not among them. */
export const ACCEPTABLE = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'TDRelaunchAdvised',
  'TDRelaunchAdvisedConfigurationNeeded',
] as const;

const time = z.iso.datetime({ offset: true });
const acceptable = z.enum(ACCEPTABLE);
/** A status, accepted for good or until a time (RFC 3339). */
const acceptedStatus = z.union([acceptable, z.strictObject({ status: acceptable, until: time })]);

/**
 * Appraisal policy for TDX quotes. What it does not mention must hold by default: TCB status
 * UpToDate without security advisories, no debug, no migration, SEPT_VE_DISABLE set, no bit without a name in
 * TDATTRIBUTES, no service TD. Members named `accept…` and `allow…` waive one of these, and the
 * result shows it. Identity fields that it does not mention are reported and not judged, except what
 * measures the guest: without reference values for MRTD and RTMR0 to RTMR2 no quote is affirmed.
 */
export const tdxPolicySchema = z.strictObject({
  /** Expected MRTD: the guest's firmware. This and all below are SHA-384, 48 bytes. */
  mrTd: digests,
  /** Expected RTMR0: firmware configuration, ACPI, memory map. */
  rtmr0: digests,
  /** Expected RTMR1: kernel or unified kernel image. */
  rtmr1: digests,
  /** Expected RTMR2: command line, initrd. */
  rtmr2: digests,
  /** Expected RTMR3: what the running software extended. */
  rtmr3: digests,
  /** Registers of the guest's measurement that need no reference values. */
  allowUnknown: z
    .array(z.enum(['mrTd', 'rtmr0', 'rtmr1', 'rtmr2']))
    .min(1)
    .optional(),
  mrSeam: digests,
  mrSignerSeam: digests,
  mrConfigId: digests,
  mrOwner: digests,
  mrOwnerConfig: digests,
  /** Expected MRSERVICETD (TD 1.5), and digests of service TDs in its extension: zero unless given. */
  mrServiceTd: digests,
  /** Expected DEVINFO (TD 1.5 extended), of the devices bound to the guest: zero unless given. */
  deviceInfo: digests,
  /** Expected REPORTDATA, 64 bytes. */
  reportData: oneOf(64).optional(),
  /** Expected TDATTRIBUTES as a whole, 8 bytes as they stand in the quote. */
  tdAttributes: oneOf(8).optional(),
  /** Expected XFAM as a whole, 8 bytes as they stand in the quote. */
  xfam: oneOf(8).optional(),
  attributes: notEmpty(
    z.strictObject({
      /** Bits that must be one. */
      require: attributes.optional(),
      /** Bits that must be zero, beside DEBUG and MIGRATABLE. */
      forbid: attributes.optional(),
      /** Accepts a TD under debug: DEBUG, or any other bit of TUD (bits 7:0). */
      allowDebug: z.boolean().optional(),
      allowMigratable: z.boolean().optional(),
      /** Accepts SEPT_VE_DISABLE clear, as in guests under Azure's paravisor. */
      allowSeptVe: z.boolean().optional(),
      /** Accepts bits that have no name; those of TUD are not among them. */
      allowUnknownBits: z.boolean().optional(),
    }),
  ).optional(),
  tcb: notEmpty(
    z.strictObject({
      /** Statuses accepted beside UpToDate. */
      acceptStatuses: z.array(acceptedStatus).min(1).optional(),
      /** Advisories accepted, each until a time (RFC 3339). */
      acceptAdvisories: z
        .array(
          z.strictObject({
            id: z.string().regex(/^INTEL-[A-Z]+-\d+$/, 'expected an id such as INTEL-SA-00615'),
            until: time,
          }),
        )
        .min(1)
        .optional(),
      /** Floor of tcbEvaluationDataNumber, of TCB info and QE identity. */
      minimumEvaluationDataNumber: z.number().int().min(0).optional(),
      /** Floors of the 16 bytes of TEE_TCB_SVN. */
      minimumTeeTcbSvn: hex(16).optional(),
      /** Earliest TCB date (RFC 3339) of the level that the platform meets. */
      minimumTcbDate: time.optional(),
    }),
  ).optional(),
  /** Machines: expected PPID of the PCK certificate, 16 bytes. */
  ppids: oneOf(16).optional(),
  /** Kinds of platform: expected FMSPC, 6 bytes. */
  fmspcs: oneOf(6).optional(),
});

/** A parsed policy: hexadecimal in lower case. */
export type TdxPolicy = z.output<typeof tdxPolicySchema>;
