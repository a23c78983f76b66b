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
  const state = (name: GuestPolicyBit): string =>
    `${name} ${hasBit(raw, GUEST_POLICY_BITS[name]) ? 1 : 0}`;
  for (const [name, harm, waiver] of dangerous) {
    findings.check(
      `snp.guest-policy.${kebab(name)}`,
      !hasBit(raw, GUEST_POLICY_BITS[name]),
      { expected: `${name} 0`, actual: state(name), reference: SNP_REFERENCES.guestPolicy },
      {
        pass: `The guest’s policy does not let the host ${harm}.`,
        fail: `The guest’s policy lets the host ${harm}.`,
      },
      waiver,
    );
  }
  for (const [wanted, names] of [
    [1, rules.require ?? []],
    [0, rules.forbid ?? []],
  ] as const) {
    for (const name of names) {
      findings.check(
        `snp.guest-policy.${wanted === 1 ? 'require' : 'forbid'}.${kebab(name)}`,
        hasBit(raw, GUEST_POLICY_BITS[name]) === (wanted === 1),
        {
          expected: `${name} ${wanted}`,
          actual: state(name),
          reference: SNP_REFERENCES.guestPolicy,
        },
        {
          pass: `The guest’s policy has ${name} as the appraisal policy wants it.`,
          fail: `The appraisal policy wants ${name} to be ${wanted}.`,
        },
      );
    }
  }
  if (rules.minimumAbi === undefined) return;
  const [minor, major] = [Number(raw & 0xffn), Number((raw >> 8n) & 0xffn)];
  const least = rules.minimumAbi;
  findings.check(
    'snp.guest-policy.abi',
    major * 256 + minor >= least.major * 256 + least.minor,
    {
      expected: `at least ${least.major}.${least.minor}`,
      actual: `${major}.${minor}`,
      reference: SNP_REFERENCES.guestPolicy,
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
  const unknown = unknownPlatformBits(raw);
  findings.check(
    'snp.platform-info.unknown',
    unknown === 0n,
    {
      expected: 'bits 63:8 zero',
      actual: `0x${unknown.toString(16)}`,
      reference: SNP_REFERENCES.platformInfo,
    },
    {
      pass: 'PLATFORM_INFO says nothing that this verifier does not know.',
      fail: 'PLATFORM_INFO has bits that this verifier does not know.',
    },
    rules.allowUnknownBits ? 'platformInfo.allowUnknownBits' : undefined,
  );
  const state = (name: PlatformInfoBit): number => (hasBit(raw, PLATFORM_INFO_BITS[name]) ? 1 : 0);
  for (const [wanted, names] of [
    [1, rules.require ?? []],
    [0, rules.forbid ?? []],
  ] as const) {
    for (const name of names) {
      findings.check(
        `snp.platform-info.${wanted === 1 ? 'require' : 'forbid'}.${kebab(name)}`,
        state(name) === wanted,
        {
          expected: `${name} ${wanted}`,
          actual: `${name} ${state(name)}`,
          reference: SNP_REFERENCES.platformInfo,
        },
        {
          pass: `PLATFORM_INFO has ${name} as the policy wants it.`,
          fail: `The policy wants ${name} to be ${wanted}.`,
        },
      );
    }
  }
}
