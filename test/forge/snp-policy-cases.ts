import { toHex } from '../../attestation/encoding/bytes.js';
import {
  encodeTcb,
  type ProductLine,
  type TcbComponents,
} from '../../attestation/evidence/snp-fields.js';
import type { SnpReport } from '../../attestation/evidence/snp-report.js';
import { SIMULATED_CHIPS } from '../../enclave/platform/simulator/snp.js';
import type { AmdFault } from './amd.js';

/**
 * An authentic report against a policy. `check` is the one that must not pass; with `waiver` the same
 * report is affirmed, and the result shows it.
 */
export interface PolicyCase {
  readonly name: string;
  readonly fault?: AmdFault;
  readonly policy?: object;
  readonly check: string;
  readonly waiver?: object;
}

const BASE = 0x30000n;
const digest = (byte: number, size: number): Uint8Array => new Uint8Array(size).fill(byte);
const other = (size: number): string => toHex(digest(0xee, size));
const report = (change: Partial<SnpReport>): AmdFault => ({ report: change });

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

/** A TCB of the simulated chip with one component raised or lowered. */
function moved(product: Exclude<ProductLine, 'Venice'>, name: keyof TcbComponents, by: number) {
  const { tcb } = SIMULATED_CHIPS[product];
  return { ...tcb, [name]: (tcb[name] ?? 0) + by };
}

const firmware: PolicyCase[] = [
  ...(['Milan', 'Turin'] as const).flatMap((product) =>
    (Object.keys(SIMULATED_CHIPS[product].tcb) as (keyof TcbComponents)[]).flatMap((component) => [
      ...(['reported', 'committed', 'current', 'launch'] as const).map((version) => ({
        name: `${product}: ${component} of the ${version} TCB is one below its floor`,
        fault: { product },
        policy: { minimumTcb: { [product]: { [version]: moved(product, component, 1) } } },
        check: `snp.tcb.${version}`,
      })),
      {
        name: `${product}: ${component} is not committed`,
        fault: {
          product,
          report: { currentTcb: encodeTcb(moved(product, component, 1), product) },
        },
        check: 'snp.tcb.provisional',
        waiver: { allowProvisionalFirmware: true },
      },
    ]),
  ),
  {
    name: 'floors for another product line',
    policy: { minimumTcb: { Genoa: { reported: SIMULATED_CHIPS.Genoa.tcb } } },
    check: 'snp.tcb.floor',
  },
  {
    name: 'Turin floors without FMC',
    fault: { product: 'Turin' },
    policy: {
      minimumTcb: { Turin: { reported: { bootLoader: 0, tee: 0, snp: 0, microcode: 0 } } },
    },
    check: 'snp.tcb.reported',
  },
  {
    name: 'Milan floors with FMC',
    policy: {
      minimumTcb: { Milan: { reported: { fmc: 0, bootLoader: 0, tee: 0, snp: 0, microcode: 0 } } },
    },
    check: 'snp.tcb.reported',
  },
  {
    name: 'the reported TCB is above the current one',
    fault: report({
      currentTcb: encodeTcb(moved('Milan', 'microcode', -1), 'Milan'),
      committedTcb: encodeTcb(moved('Milan', 'microcode', -1), 'Milan'),
    }),
    check: 'snp.tcb.reported-within-current',
  },
  ...(['build', 'minor', 'major'] as const).map((part) => ({
    name: `the firmware's ${part} is not committed`,
    fault: report({ committed: { build: 40, minor: 55, major: 1, [part]: 0 } }),
    check: 'snp.tcb.provisional',
    waiver: { allowProvisionalFirmware: true },
  })),
  {
    name: 'the build of the committed firmware is below its floor',
    fault: report({ committed: { build: 39, minor: 55, major: 1 } }),
    policy: {
      allowProvisionalFirmware: true,
      minimumFirmware: { major: 1, minor: 55, build: 40 },
    },
    check: 'snp.firmware.committed',
  },
  {
    name: 'the current firmware is below its floor',
    fault: report({ current: { build: 40, minor: 54, major: 1 } }),
    policy: { allowProvisionalFirmware: true, minimumFirmware: { major: 1, minor: 55 } },
    check: 'snp.firmware.current',
  },
  {
    name: 'a launch mitigation is missing',
    fault: { product: 'Turin', report: { launchMitVector: 0x0fn } },
    policy: { mitigations: { launch: '0x1f' } },
    check: 'snp.mitigations.launch',
  },
  {
    name: 'a current mitigation is missing',
    fault: { product: 'Turin', report: { currentMitVector: 0n } },
    policy: { mitigations: { current: '0x1' } },
    check: 'snp.mitigations.current',
  },
  {
    name: 'version 3 states no mitigations',
    policy: { mitigations: { current: '0x0' } },
    check: 'snp.mitigations.current',
  },
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
  firmware,
  chip,
};
