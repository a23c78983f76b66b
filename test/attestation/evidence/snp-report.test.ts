import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  encodeTcb,
  keyInfo,
  productOfCpuid,
  tcbComponents,
} from '../../../attestation/evidence/snp-fields.js';
import {
  encodeSnpReport,
  parseSnpReport,
  type SnpReport,
} from '../../../attestation/evidence/snp-report.js';
import { fc } from '../../property.js';

const bytes = (length: number) => fc.uint8Array({ minLength: length, maxLength: length });
const u64 = fc.bigInt({ min: 0n, max: (1n << 64n) - 1n });
const u32 = fc.nat({ max: 0xffffffff });
const byte = fc.nat({ max: 255 });
const plain = { noNullPrototype: true };
const firmware = fc.record({ build: byte, minor: byte, major: byte }, plain);

const report: fc.Arbitrary<SnpReport> = fc
  .constantFrom(2 as const, 3 as const, 4 as const, 5 as const)
  .chain((version) =>
    fc.record(
      {
        version: fc.constant(version),
        guestSvn: u32,
        policy: fc.bigInt({ min: 0n, max: (1n << 26n) - 1n }).map((bits) => bits | (1n << 17n)),
        familyId: bytes(16),
        imageId: bytes(16),
        vmpl: u32,
        signatureAlgo: fc.constant(1),
        currentTcb: u64,
        platformInfo: u64,
        keyInfo: fc.constantFrom(0, 1, 2, 3, 4, 5, 28, 31),
        reportData: bytes(64),
        measurement: bytes(48),
        hostData: bytes(32),
        idKeyDigest: bytes(48),
        authorKeyDigest: bytes(48),
        reportId: bytes(32),
        reportIdMa: bytes(32),
        reportedTcb: u64,
        cpuid:
          version === 2
            ? fc.constant(undefined)
            : fc.record({ family: byte, model: byte, stepping: byte }, plain),
        chipId: bytes(64),
        committedTcb: u64,
        current: firmware,
        committed: firmware,
        launchTcb: u64,
        launchMitVector: version === 5 ? u64 : fc.constant(undefined),
        currentMitVector: version === 5 ? u64 : fc.constant(undefined),
        signature: bytes(96).map((value) => new Uint8Array(value)),
      },
      plain,
    ),
  );

test('what is encoded parses to the same report', () => {
  fc.assert(
    fc.property(report, (value) => {
      assert.deepEqual(parseSnpReport(encodeSnpReport(value)), value);
    }),
  );
});

test('a TCB version keeps its components in both layouts', () => {
  const components = fc.record({ bootLoader: byte, tee: byte, snp: byte, microcode: byte }, plain);
  fc.assert(
    fc.property(components, byte, (tcb, fmc) => {
      assert.deepEqual(tcbComponents(encodeTcb(tcb, 'Genoa'), 'Genoa'), tcb);
      const turin = { fmc, ...tcb };
      assert.deepEqual(tcbComponents(encodeTcb(turin, 'Turin'), 'Turin'), turin);
    }),
  );
});

describe('product lines', () => {
  for (const [family, model, expected] of [
    [0x19, 0x00, 'Milan'],
    [0x19, 0x0f, 'Milan'],
    [0x19, 0x10, 'Genoa'],
    [0x19, 0x1f, 'Genoa'],
    [0x19, 0x20, undefined],
    [0x19, 0x9f, undefined],
    [0x19, 0xa0, 'Genoa'],
    [0x19, 0xaf, 'Genoa'],
    [0x19, 0xb0, undefined],
    [0x1a, 0x00, 'Turin'],
    [0x1a, 0x11, 'Turin'],
    [0x1a, 0x12, undefined],
    [0x1a, 0x4f, undefined],
    [0x1a, 0x50, 'Venice'],
    [0x1a, 0x57, 'Venice'],
    [0x1a, 0x58, undefined],
    [0x1a, 0x8f, undefined],
    [0x1a, 0x90, 'Venice'],
    [0x1a, 0xaf, 'Venice'],
    [0x1a, 0xb0, undefined],
    [0x1a, 0xc0, 'Venice'],
    [0x1a, 0xc7, 'Venice'],
    [0x1a, 0xc8, undefined],
    [0x17, 0x31, undefined],
  ] as const) {
    test(`family ${family.toString(16)} model ${model.toString(16)}: ${expected}`, () => {
      assert.equal(productOfCpuid({ family, model, stepping: 0 }), expected);
    });
  }
});

describe('KEY_INFO', () => {
  for (const [raw, expected] of [
    [0, { authorKeyEn: false, maskChipKey: false, signingKey: 'VCEK' }],
    [1, { authorKeyEn: true, maskChipKey: false, signingKey: 'VCEK' }],
    [2, { authorKeyEn: false, maskChipKey: true, signingKey: 'VCEK' }],
    [4, { authorKeyEn: false, maskChipKey: false, signingKey: 'VLEK' }],
    [28, { authorKeyEn: false, maskChipKey: false, signingKey: 'none' }],
    [8, undefined],
    [32, undefined],
    [0x80000000, undefined],
  ] as const) {
    test(`0x${raw.toString(16)}`, () => assert.deepEqual(keyInfo(raw), expected));
  }
});
