import type { AmdFault } from './amd.js';

/** Evidence with one fault that makes it inauthentic, and the code that says which. */
export interface ForgedCase {
  readonly name: string;
  readonly fault: AmdFault;
  readonly code: string;
}

const range = (first: number, last: number): number[] =>
  Array.from({ length: last - first + 1 }, (_, i) => first + i);

const setByte =
  (offset: number, value = 1) =>
  (bytes: Uint8Array): void => {
    bytes[offset] = value;
  };

const setBit =
  (offset: number, bit: number) =>
  (bytes: Uint8Array): void => {
    const at = offset + (bit >> 3);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << (bit & 7));
  };

/** A flawless machine for each version of the report. */
export const MACHINES = {
  2: { product: 'Milan', version: 2 },
  3: { product: 'Milan', version: 3 },
  4: { product: 'Genoa', version: 4 },
  5: { product: 'Turin', version: 5 },
} as const;

/** First and last byte of each range that must be zero, by version. */
const RESERVED: readonly (readonly [version: 2 | 3 | 4 | 5, first: number, last: number])[] = [
  ...([2, 3, 4, 5] as const).flatMap((version): [2 | 3 | 4 | 5, number, number][] => [
    [version, 0x4c, 0x4f],
    [version, 0x1eb, 0x1eb],
    [version, 0x1ef, 0x1ef],
    [version, version === 2 ? 0x188 : 0x18b, 0x19f],
    [version, version === 5 ? 0x208 : 0x1f8, 0x29f],
  ]),
];

const reserved: ForgedCase[] = RESERVED.flatMap(([version, first, last]) =>
  [...new Set([first, last])].map((offset) => ({
    name: `version ${version}, byte 0x${offset.toString(16)} is not zero`,
    fault: { ...MACHINES[version], bytes: setByte(offset) },
    code: 'SNP_REPORT_RESERVED',
  })),
);

const behindSignature: ForgedCase[] = [0x2d0, 0x2e7, 0x318, 0x32f, 0x330, 0x49f].map((offset) => ({
  name: `byte 0x${offset.toString(16)} of the signature is not zero`,
  fault: {
    signed: (report) => {
      report[offset] = 1;
      return report;
    },
  },
  code: 'SNP_REPORT_RESERVED',
}));

const structure: ForgedCase[] = [
  ...[0, 1, 6, 0x100].map((version) => ({
    name: `version ${version}`,
    fault: { bytes: (bytes: Uint8Array) => new DataView(bytes.buffer).setUint32(0, version, true) },
    code: 'SNP_REPORT_VERSION',
  })),
  ...[0, 2, 0x101].map((algorithm) => ({
    name: `signature algorithm ${algorithm}`,
    fault: {
      bytes: (bytes: Uint8Array) => new DataView(bytes.buffer).setUint32(0x34, algorithm, true),
    },
    code: 'SNP_REPORT_ALGORITHM',
  })),
  ...[17, ...range(26, 63)].map((bit) => ({
    name: `guest policy bit ${bit} is wrong`,
    fault: { bytes: setBit(0x08, bit) },
    code: 'SNP_REPORT_POLICY',
  })),
  ...range(5, 31).map((bit) => ({
    name: `KEY_INFO bit ${bit} is set`,
    fault: { bytes: setBit(0x48, bit) },
    code: 'SNP_REPORT_KEY_INFO',
  })),
  ...range(2, 6).map((key) => ({
    name: `signing key ${key}`,
    fault: { bytes: setByte(0x48, key << 2) },
    code: 'SNP_REPORT_KEY_INFO',
  })),
  {
    name: 'one byte short',
    fault: { signed: (report) => report.subarray(0, -1) },
    code: 'SNP_REPORT_SIZE',
  },
  {
    name: 'one byte long',
    fault: { signed: (report) => Uint8Array.of(...report, 0) },
    code: 'SNP_REPORT_SIZE',
  },
  { name: 'empty', fault: { signed: () => new Uint8Array() }, code: 'SNP_REPORT_SIZE' },
];

const signature: ForgedCase[] = [
  {
    name: 'signing key 7: none',
    fault: { report: { keyInfo: 7 << 2 } },
    code: 'SNP_UNSIGNED',
  },
  { name: 'MASK_CHIP_KEY', fault: { report: { keyInfo: 2 } }, code: 'SNP_UNSIGNED' },
  {
    name: 'a signature of zeros',
    fault: { signed: (report) => report.fill(0, 0x2a0) },
    code: 'SNP_SIGNATURE',
  },
  ...[
    ['GUEST_SVN', 0x04],
    ['MEASUREMENT', 0x90],
    ['REPORT_DATA', 0x50],
    ['HOST_DATA', 0xc0],
    ['CURRENT_TCB', 0x38],
    ['PLATFORM_INFO', 0x40],
    ['LAUNCH_TCB', 0x1f0],
    ['R', 0x2a0],
    ['S', 0x2e8],
  ].map(([name, offset]) => ({
    name: `one bit of ${name} flipped after signing`,
    fault: {
      signed: (report: Uint8Array) => {
        setBit(Number(offset), 0)(report);
        return report;
      },
    },
    code: 'SNP_SIGNATURE',
  })),
];

const machine: ForgedCase[] = [
  {
    name: 'CPUID of no product line',
    fault: { report: { cpuid: { family: 0x19, model: 0x20, stepping: 0 } } },
    code: 'SNP_PRODUCT_UNKNOWN',
  },
  {
    name: 'CPUID of an older family',
    fault: { report: { cpuid: { family: 0x17, model: 0x01, stepping: 0 } } },
    code: 'SNP_PRODUCT_UNKNOWN',
  },
  {
    name: 'CPUID of Genoa under a Milan certificate',
    fault: { report: { cpuid: { family: 0x19, model: 0x11, stepping: 0 } } },
    code: 'SNP_PRODUCT_MISMATCH',
  },
  {
    name: 'CPUID of Turin under a Genoa certificate',
    fault: { product: 'Genoa', report: { cpuid: { family: 0x1a, model: 0x02, stepping: 0 } } },
    code: 'SNP_PRODUCT_MISMATCH',
  },
  {
    name: 'CPUID of Venice under a Turin certificate',
    fault: { product: 'Turin', report: { cpuid: { family: 0x1a, model: 0x50, stepping: 0 } } },
    code: 'SNP_PRODUCT_MISMATCH',
  },
  {
    name: 'CHIP_ID of another chip',
    fault: { bytes: setBit(0x1a0, 0) },
    code: 'SNP_HWID_MISMATCH',
  },
  {
    name: 'CHIP_ID that differs in its last byte',
    fault: { bytes: setBit(0x1a0, 511) },
    code: 'SNP_HWID_MISMATCH',
  },
  {
    name: 'CHIP_ID of another Turin chip',
    fault: { product: 'Turin', bytes: setBit(0x1a0, 63) },
    code: 'SNP_HWID_MISMATCH',
  },
  ...(['Milan', 'Turin'] as const).flatMap((product) =>
    range(0, 7).map((byte) => ({
      name: `REPORTED_TCB of ${product} differs in byte ${byte}`,
      fault: { product, bytes: setBit(0x180, 8 * byte) },
      code: 'SNP_TCB_MISMATCH',
    })),
  ),
];

/** Reports that a chip signed with one thing wrong in them, or that were changed afterwards. */
export const FORGED_REPORTS: Readonly<Record<string, readonly ForgedCase[]>> = {
  reserved,
  behindSignature,
  structure,
  signature,
  machine,
};
