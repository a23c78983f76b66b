import { hasBit } from '../evidence/bits.js';
import {
  GUEST_POLICY_BITS,
  type GuestPolicyBit,
  PLATFORM_INFO_BITS,
  type PlatformInfoBit,
  unknownPlatformBits,
} from '../evidence/snp-fields.js';
import { type Findings, kebab } from './findings.js';
import type { SnpPolicy } from './policy-snp.js';
import { SNP_REFERENCES } from './references-snp.js';
import { bitText, wantedBits } from './wanted-bits.js';

/** What the guest's own policy lets the host do. */
export function guestPolicyFindings(findings: Findings, raw: bigint, policy: SnpPolicy): void {
  const rules = policy.guestPolicy ?? {};
  const dangerous: readonly [GuestPolicyBit, string, string | undefined][] = [
    ['DEBUG', 'read and write its memory', rules.allowDebug ? 'guestPolicy.allowDebug' : undefined],
    [
      'MIGRATE_MA',
      'bind a migration agent that can move its memory',
      rules.allowMigration ? 'guestPolicy.allowMigration' : undefined,
    ],
    [
      'CXL_ALLOW',
      'place its memory on CXL devices',
      rules.allowCxl ? 'guestPolicy.allowCxl' : undefined,
    ],
  ];
  const isSet = (name: GuestPolicyBit): boolean => hasBit(raw, GUEST_POLICY_BITS[name]);
  const reference = SNP_REFERENCES.guestPolicy;
  for (const [name, harm, waiver] of dangerous) {
    findings.check(
      `snp.guest-policy.${kebab(name)}`,
      !isSet(name),
      { expected: bitText(name, false), actual: bitText(name, isSet(name)), reference },
      {
        pass: `The guest’s policy does not let the host ${harm}.`,
        fail: `The guest’s policy lets the host ${harm}.`,
      },
      waiver,
    );
  }
  const field = { id: 'snp.guest-policy', name: 'The guest’s policy', reference, isSet };
  wantedBits(findings, field, rules);
  if (rules.minimumAbi === undefined) return;
  const [minor, major] = [Number(raw & 0xffn), Number((raw >> 8n) & 0xffn)];
  const least = rules.minimumAbi;
  findings.check(
    'snp.guest-policy.abi',
    major * 256 + minor >= least.major * 256 + least.minor,
    {
      expected: `at least ${least.major}.${least.minor}`,
      actual: `${major}.${minor}`,
      reference,
    },
    {
      pass: 'The guest demands a firmware ABI that is new enough.',
      fail: 'The guest would run on a firmware ABI older than the policy accepts.',
    },
  );
}

/** What the firmware says of the platform. */
export function platformFindings(findings: Findings, raw: bigint, policy: SnpPolicy): void {
  const rules = policy.platformInfo ?? {};
  const reference = SNP_REFERENCES.platformInfo;
  const unknown = unknownPlatformBits(raw);
  findings.check(
    'snp.platform-info.unknown',
    unknown === 0n,
    {
      expected: 'bits 63:8 zero',
      actual: `0x${unknown.toString(16)}`,
      reference,
    },
    {
      pass: 'PLATFORM_INFO says nothing that this verifier does not know.',
      fail: 'PLATFORM_INFO has bits that this verifier does not know.',
    },
    rules.allowUnknownBits ? 'platformInfo.allowUnknownBits' : undefined,
  );
  const isSet = (name: PlatformInfoBit): boolean => hasBit(raw, PLATFORM_INFO_BITS[name]);
  const field = { id: 'snp.platform-info', name: 'PLATFORM_INFO', reference, isSet };
  wantedBits(findings, field, rules);
}
