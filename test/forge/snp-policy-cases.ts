import { toHex } from '../../attestation/encoding/bytes.js';
import { FIRMWARE_CASES } from './snp-firmware-cases.js';
import { type PolicyCase, report } from './snp-policy-case.js';

const BASE = 0x30000n;
const digest = (byte: number, size: number): Uint8Array => new Uint8Array(size).fill(byte);
const other = (size: number): string => toHex(digest(0xee, size));

const launch: PolicyCase[] = [
  { name: 'another measurement', policy: { measurements: [other(48)] }, check: 'snp.measurement' },
  {
    name: 'no reference values for the measurement',
    policy: { measurements: undefined },
    check: 'snp.measurement',
  },
  { name: 'HOST_DATA', policy: { hostData: [other(32)] }, check: 'snp.policy.host-data' },
  { name: 'REPORT_DATA', policy: { reportData: [other(64)] }, check: 'snp.policy.report-data' },
  { name: 'FAMILY_ID', policy: { familyIds: [other(16)] }, check: 'snp.family-id' },
  { name: 'IMAGE_ID', policy: { imageIds: [other(16)] }, check: 'snp.image-id' },
  { name: 'REPORT_ID', policy: { reportIds: [other(32)] }, check: 'snp.report-id' },
  { name: 'REPORT_ID_MA', policy: { reportIdsMa: [other(32)] }, check: 'snp.report-id-ma' },
  { name: 'ID_KEY_DIGEST', policy: { idKeyDigests: [other(48)] }, check: 'snp.id-key' },
  {
    name: 'AUTHOR_KEY_DIGEST',
    fault: report({ keyInfo: 1, authorKeyDigest: digest(1, 48) }),
    policy: { authorKeyDigests: [other(48)] },
    check: 'snp.author-key',
  },
  {
    name: 'an author key digest without AUTHOR_KEY_EN',
    fault: report({ authorKeyDigest: digest(1, 48) }),
    policy: { authorKeyDigests: [toHex(digest(1, 48))] },
    check: 'snp.author-key.enabled',
  },
  {
    name: 'no author key',
    policy: { requireAuthorKey: true },
    check: 'snp.author-key.enabled',
  },
  { name: 'a chip that is not listed', policy: { chipIds: [other(64)] }, check: 'snp.chip-id' },
  { name: 'a product line', policy: { products: ['Genoa', 'Turin'] }, check: 'snp.product' },
  { name: 'a VCEK', policy: { signingKeys: ['VLEK'] }, check: 'snp.signing-key' },
  {
    name: 'a VLEK',
    fault: { kind: 'VLEK' },
    policy: { signingKeys: ['VCEK'] },
    check: 'snp.signing-key',
  },
  {
    name: 'a cloud provider',
    fault: { kind: 'VLEK' },
    policy: { cspIds: ['CN=other.example'] },
    check: 'snp.csp-id',
  },
  {
    name: 'a cloud provider of a VCEK, which names none',
    policy: { cspIds: ['CN=other.example'] },
    check: 'snp.csp-id',
  },
  {
    name: 'GUEST_SVN',
    fault: report({ guestSvn: 4 }),
    policy: { minimumGuestSvn: 5 },
    check: 'snp.guest-svn',
  },
  ...[1, 2, 3, 4].map((vmpl) => ({
    name: `VMPL ${vmpl}`,
    fault: report({ vmpl }),
    check: 'snp.vmpl',
  })),
  {
    name: 'VMPL 0 where another is expected',
    policy: { vmpl: [1, 2] },
    check: 'snp.vmpl',
  },
];

const guestPolicy: PolicyCase[] = [
  {
    name: 'DEBUG',
    fault: report({ policy: BASE | (1n << 19n) }),
    check: 'snp.guest-policy.debug',
    waiver: { guestPolicy: { allowDebug: true } },
  },
  {
    name: 'MIGRATE_MA',
    fault: report({ policy: BASE | (1n << 18n) }),
    check: 'snp.guest-policy.migrate-ma',
    waiver: { guestPolicy: { allowMigration: true } },
  },
  {
    name: 'CXL_ALLOW',
    fault: report({ policy: BASE | (1n << 21n) }),
    check: 'snp.guest-policy.cxl-allow',
    waiver: { guestPolicy: { allowCxl: true } },
  },
  ...(
    [
      ['SINGLE_SOCKET', 20],
      ['MEM_AES_256_XTS', 22],
      ['RAPL_DIS', 23],
      ['CIPHERTEXT_HIDING', 24],
      ['PAGE_SWAP_DISABLE', 25],
    ] as const
  ).flatMap(([name, bit]) => {
    const kebab = name.toLowerCase().replaceAll('_', '-');
    return [
      {
        name: `${name} is required and not set`,
        policy: { guestPolicy: { require: [name] } },
        check: `snp.guest-policy.require.${kebab}`,
      },
      {
        name: `${name} is forbidden and set`,
        fault: report({ policy: BASE | (1n << BigInt(bit)) }),
        policy: { guestPolicy: { forbid: [name] } },
        check: `snp.guest-policy.forbid.${kebab}`,
      },
    ];
  }),
  {
    name: 'SMT is forbidden and allowed',
    policy: { guestPolicy: { forbid: ['SMT'] } },
    check: 'snp.guest-policy.forbid.smt',
  },
  {
    name: 'SMT is required and not allowed',
    fault: report({ policy: 0x20000n }),
    policy: { guestPolicy: { require: ['SMT'] } },
    check: 'snp.guest-policy.require.smt',
  },
  {
    name: 'the minor ABI version is too low',
    fault: report({ policy: BASE | 0x0136n }),
    policy: { guestPolicy: { minimumAbi: { major: 1, minor: 0x37 } } },
    check: 'snp.guest-policy.abi',
  },
  {
    name: 'the major ABI version is too low',
    fault: report({ policy: BASE | 0x00ffn }),
    policy: { guestPolicy: { minimumAbi: { major: 1, minor: 0 } } },
    check: 'snp.guest-policy.abi',
  },
  {
    name: 'the highest minor ABI version is below the next major one',
    fault: report({ policy: BASE | 0x01ffn }),
    policy: { guestPolicy: { minimumAbi: { major: 2, minor: 0 } } },
    check: 'snp.guest-policy.abi',
  },
];

const PLATFORM_NAMES = [
  'SMT_EN',
  'TSME_EN',
  'ECC_EN',
  'RAPL_DIS',
  'CIPHERTEXT_HIDING_DRAM_EN',
  'ALIAS_CHECK_COMPLETE',
  'IOMMU_WRITE_SAFE',
  'TIO_EN',
] as const;

const platformInfo: PolicyCase[] = [
  ...PLATFORM_NAMES.flatMap((name, bit) => {
    const kebab = name.toLowerCase().replaceAll('_', '-');
    return [
      {
        name: `${name} is required and not set`,
        fault: report({ platformInfo: 0xffn & ~(1n << BigInt(bit)) }),
        policy: { platformInfo: { require: [name] } },
        check: `snp.platform-info.require.${kebab}`,
      },
      {
        name: `${name} is forbidden and set`,
        fault: report({ platformInfo: 1n << BigInt(bit) }),
        policy: { platformInfo: { forbid: [name] } },
        check: `snp.platform-info.forbid.${kebab}`,
      },
    ];
  }),
  ...Array.from({ length: 56 }, (_, i) => ({
    name: `bit ${i + 8} has no name`,
    fault: report({ platformInfo: 1n << BigInt(i + 8) }),
    check: 'snp.platform-info.unknown',
    waiver: { platformInfo: { allowUnknownBits: true } },
  })),
];

const chip: PolicyCase[] = [
  {
    name: 'a masked CHIP_ID',
    fault: report({ chipId: new Uint8Array(64) }),
    check: 'snp.certificate.chip',
    waiver: { allowMaskedChipId: true },
  },
];

/** Authentic reports that a policy refuses, each for one reason. */
export const FORGED_POLICIES: Readonly<Record<string, readonly PolicyCase[]>> = {
  launch,
  guestPolicy,
  platformInfo,
  firmware: FIRMWARE_CASES,
  chip,
};
