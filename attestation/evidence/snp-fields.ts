import { hasBit } from './bits.js';

/** Product lines that the CPUID ranges of AMD's documents tell apart. */
export type ProductLine = 'Milan' | 'Genoa' | 'Turin' | 'Venice';

/** CPUID_FAM_ID, CPUID_MOD_ID, CPUID_STEP of a report: combined family and model. */
export interface Cpuid {
  readonly family: number;
  readonly model: number;
  readonly stepping: number;
}

const MODELS: readonly (readonly [family: number, first: number, last: number, ProductLine])[] = [
  [0x19, 0x00, 0x0f, 'Milan'],
  [0x19, 0x10, 0x1f, 'Genoa'],
  [0x19, 0xa0, 0xaf, 'Genoa'], // Zen 4c: Bergamo and Siena carry Genoa's certificates
  [0x1a, 0x00, 0x11, 'Turin'],
  [0x1a, 0x50, 0x57, 'Venice'],
  [0x1a, 0x90, 0xaf, 'Venice'],
  [0x1a, 0xc0, 0xc7, 'Venice'],
];

/** Product line of a CPUID, or undefined where AMD's published ranges do not have it. */
export function productOfCpuid(cpuid: Cpuid): ProductLine | undefined {
  return MODELS.find(
    ([family, first, last]) =>
      cpuid.family === family && cpuid.model >= first && cpuid.model <= last,
  )?.[3];
}

/** Bits of the guest policy (AMD 56860, table "Guest Policy") that say what the host may do. */
export const GUEST_POLICY_BITS = {
  SMT: 16,
  MIGRATE_MA: 18,
  DEBUG: 19,
  SINGLE_SOCKET: 20,
  CXL_ALLOW: 21,
  MEM_AES_256_XTS: 22,
  RAPL_DIS: 23,
  CIPHERTEXT_HIDING: 24,
  PAGE_SWAP_DISABLE: 25,
} as const;
export type GuestPolicyBit = keyof typeof GUEST_POLICY_BITS;

/**
 * Whether the firmware starts guests of this policy, as far
 * as its reserved bits say: 17 is one, 63:26 are zero.
 */
export function isGuestPolicy(policy: bigint): boolean {
  return hasBit(policy, 17) && policy >> 26n === 0n;
}

/** Bits of PLATFORM_INFO (AMD 56860, table "PLATFORM_INFO"). */
export const PLATFORM_INFO_BITS = {
  SMT_EN: 0,
  TSME_EN: 1,
  ECC_EN: 2,
  RAPL_DIS: 3,
  CIPHERTEXT_HIDING_DRAM_EN: 4,
  ALIAS_CHECK_COMPLETE: 5,
  IOMMU_WRITE_SAFE: 6,
  TIO_EN: 7,
} as const;
export type PlatformInfoBit = keyof typeof PLATFORM_INFO_BITS;

/** Bits of PLATFORM_INFO that this version of Assay has no name for. */
export function unknownPlatformBits(raw: bigint): bigint {
  return raw & ~0xffn;
}

/** SIGNING_KEY of KEY_INFO: which key signed the report. */
type SigningKey = 'VCEK' | 'VLEK' | 'none';

/** KEY_INFO, the flags at offset 0x48. */
export interface KeyInfo {
  readonly authorKeyEn: boolean;
  readonly maskChipKey: boolean;
  readonly signingKey: SigningKey;
}

/** Decodes KEY_INFO; undefined for a reserved bit or a SIGNING_KEY that AMD does not define. */
export function keyInfo(raw: number): KeyInfo | undefined {
  const kinds: Readonly<Record<number, SigningKey>> = { 0: 'VCEK', 1: 'VLEK', 7: 'none' };
  const signingKey = kinds[(raw >> 2) & 7];
  if (raw >>> 5 !== 0 || signingKey === undefined) return undefined;
  return { authorKeyEn: (raw & 1) !== 0, maskChipKey: (raw & 2) !== 0, signingKey };
}

/** Components of a TCB_VERSION; `fmc` exists from Turin on. Each is 0 to 255. */
export interface TcbComponents {
  readonly fmc?: number;
  readonly bootLoader: number;
  readonly tee: number;
  readonly snp: number;
  readonly microcode: number;
}

export const TCB_COMPONENTS = ['fmc', 'bootLoader', 'tee', 'snp', 'microcode'] as const;

type TcbLayout = readonly (keyof TcbComponents | null)[];
const UNTIL_GENOA: TcbLayout = ['bootLoader', 'tee', null, null, null, null, 'snp', 'microcode'];
const SINCE_TURIN: TcbLayout = ['fmc', 'bootLoader', 'tee', 'snp', null, null, null, 'microcode'];

/** Meaning of the eight bytes of a TCB_VERSION, least significant first; null is reserved. */
export function tcbLayout(product: ProductLine): TcbLayout {
  return product === 'Milan' || product === 'Genoa' ? UNTIL_GENOA : SINCE_TURIN;
}

/** Decodes a TCB_VERSION (AMD 56860, tables "TCB_VERSION" of families 19h and 1Ah). */
export function tcbComponents(raw: bigint, product: ProductLine): TcbComponents {
  const byte = (name: keyof TcbComponents): number =>
    Number((raw >> BigInt(8 * tcbLayout(product).indexOf(name))) & 0xffn);
  return {
    ...(tcbLayout(product).includes('fmc') ? { fmc: byte('fmc') } : {}),
    bootLoader: byte('bootLoader'),
    tee: byte('tee'),
    snp: byte('snp'),
    microcode: byte('microcode'),
  };
}

/** `bootLoader 4, tee 0, …` in the order of the components. */
export function tcbText(tcb: Partial<TcbComponents>): string {
  return TCB_COMPONENTS.filter((name) => tcb[name] !== undefined)
    .map((name) => `${name} ${tcb[name]}`)
    .join(', ');
}

/** Encodes a TCB_VERSION with its reserved bytes zero. */
export function encodeTcb(components: TcbComponents, product: ProductLine): bigint {
  return tcbLayout(product).reduce(
    (raw, name, i) => raw | (BigInt(name === null ? 0 : (components[name] ?? 0)) << BigInt(8 * i)),
    0n,
  );
}

/** Whether the components say all of a TCB_VERSION: its reserved bytes are zero. */
export function isTcbWhole(raw: bigint, product: ProductLine): boolean {
  return encodeTcb(tcbComponents(raw, product), product) === raw;
}

/** A TCB_VERSION in words, with its raw value where these leave out a reserved byte that is not zero. */
export function tcbVersionText(raw: bigint, product: ProductLine): string {
  const text = tcbText(tcbComponents(raw, product));
  if (isTcbWhole(raw, product)) return text;
  return `${text} (0x${raw.toString(16).padStart(16, '0')}: reserved bytes set)`;
}
