import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { fromHex, toHex } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { signatureOf } from '../../../enclave/measurement/cpu-type.js';
import { parseFirmware } from '../../../enclave/measurement/firmware.js';
import { measureSnp } from '../../../enclave/measurement/launch-values.js';
import { type SnpLaunch, snpLaunchDigest } from '../../../enclave/measurement/snp-digest.js';
import type { Vmm } from '../../../enclave/measurement/vmsa.js';
import { AMD_SEV_2023, forgeOvmf } from '../../forge/ovmf.js';
import { fc } from '../../property.js';

const NOTHING = new Uint8Array();
const boot = (commandLine: string): SnpLaunch['boot'] => ({
  kernel: NOTHING,
  initrd: NOTHING,
  commandLine,
});
const code = (expected: string) => (error: unknown) =>
  error instanceof AssayError && error.code === expected;

/**
 * virtee/sev-snp-measure, tests/test_guest.py: expected digests, for firmware of which the tests
 * give the digest after its own pages. Kernel and initrd are empty there.
 */
const PUBLISHED_FIRMWARE = fromHex(
  '086e2e9149ebf45abdc3445fba5b2da8270bdbb04094d7a2c37faaa4b24af3aa16aff8c374c2a55c467a50da6d466b74',
);
const CONSOLE = 'console=ttyS0 loglevel=7';
const PUBLISHED: readonly [Vmm, number, bigint, string | undefined, string][] = [
  [
    'qemu',
    1,
    0x21n,
    '',
    '329c8ce0972ae52343b64d34a434a86f245dfd74f5ed7aae15d22efc78fb9683632b9b50e4e1d7fa41179ef98a7ef198',
  ],
  [
    'qemu',
    1,
    0x1n,
    '',
    'ddc5224521617a536ee7ce9dd6224d1b58a8d4fda1c741f3ac99fc4bfa04ba6e9fc98646d4a07a9079397fa3852819b5',
  ],
  [
    'qemu',
    1,
    0x21n,
    CONSOLE,
    '803f691094946e42068aaa3a8f9e26a5c89f36f7b73ecfb28c653360fe4b3aba7e534442e7e1e17895dfe778d0228977',
  ],
  [
    'qemu',
    1,
    0x1n,
    CONSOLE,
    '6d287813eb5222d770f75005c664e34c204f385ce832cc2ce7d0d6f354454362f390ef83a92046c042e706363b4b08fa',
  ],
  [
    'qemu',
    4,
    0x21n,
    '',
    '4953b1fb416fa874980e8442b3706d345926d5f38879134e00813c5d7abcbe78eafe7b422907be0b4698e2414a631942',
  ],
  [
    'qemu',
    4,
    0x1n,
    '',
    '5061fffb019493a903613d56d54b94912a1a2f9e4502385f5c194616753720a92441310ba6c4933de877c36e23046ad5',
  ],
  [
    'qemu',
    1,
    0x21n,
    undefined,
    'e1e1ca029dd7973ab9513295be68198472dcd4fc834bd9af9b63f6e8a1674dbf281a9278a4a2ebe0eed9f22adbcd0e2b',
  ],
  [
    'qemu',
    1,
    0x1n,
    undefined,
    '19358ba9a7615534a9a1e2f0dfc29384dcd4dcb7062ff9c6013b26869a5fc6ecabe033c48dd6f6db5d6d76e7c5df632d',
  ],
  [
    'ec2',
    1,
    0x21n,
    '',
    '0ce9ccc06bab55eebe8abc234f3df6514883977a68a591b71052498ab52b2f1aa415db338033946ef93aa8278c0d67fb',
  ],
  [
    'ec2',
    1,
    0x1n,
    '',
    '0883bd0eeb716e65b7b977a321c278d1e51b33b5c655fab985443bbcc65c086b9c15e8a0bd8811050dec7e24964e5056',
  ],
  [
    'gce',
    1,
    0x1n,
    '',
    '5da7106cf14cf46b1725ebab123eb9e53bd46a1e9f400cd0c08e7827b04b688ea8b4e403c8404efed4397ea5d5d0722e',
  ],
  [
    'gce',
    4,
    0x1n,
    '',
    '5c5debf100fc339f90276e761ee1f1658d08922c3b20e2a2e6c7a6c3370b2452a15a00eae11886a93d6fd1e7ab81e29d',
  ],
];

const launch: SnpLaunch = {
  firmware: parseFirmware(forgeOvmf(AMD_SEV_2023)),
  boot: boot(''),
  vmm: 'qemu',
  processors: 2,
  signature: signatureOf('EPYC-v4'),
  features: 1n,
};

suite('SEV-SNP launch digest', () => {
  for (const [vmm, processors, features, commandLine, expected] of PUBLISHED) {
    test(`equals the published digest: ${vmm}, ${processors} vCPU, features ${features}, ${commandLine === undefined ? 'no kernel' : JSON.stringify(commandLine)}`, () => {
      const digest = snpLaunchDigest({
        ...launch,
        vmm,
        processors,
        features,
        firmwareDigest: PUBLISHED_FIRMWARE,
        boot: commandLine === undefined ? undefined : boot(commandLine),
      });
      assert.equal(toHex(digest), expected);
    });
  }

  test('every input counts', () => {
    const changes: Record<string, Partial<SnpLaunch>> = {
      firmware: { firmware: parseFirmware(forgeOvmf({ ...AMD_SEV_2023, fill: 0x91 })) },
      'reset address': {
        firmware: parseFirmware(forgeOvmf({ ...AMD_SEV_2023, resetAddress: 0x80b008 })),
      },
      kernel: { boot: { kernel: Uint8Array.of(1), initrd: NOTHING, commandLine: '' } },
      initrd: { boot: { kernel: NOTHING, initrd: Uint8Array.of(1), commandLine: '' } },
      'command line': { boot: boot('x') },
      'no kernel': { boot: undefined },
      processors: { processors: 3 },
      'processor model': { signature: signatureOf('EPYC-Genoa') },
      features: { features: 0x21n },
      'before 6.10': { vmm: 'qemu-before-6.10' },
      ec2: { vmm: 'ec2' },
      gce: { vmm: 'gce' },
    };
    const digests = new Map([['unchanged', toHex(snpLaunchDigest(launch))]]);
    for (const [what, change] of Object.entries(changes)) {
      digests.set(what, toHex(snpLaunchDigest({ ...launch, ...change })));
    }
    assert.equal(new Set(digests.values()).size, digests.size);
  });

  test('the processor model counts for nothing on EC2 and GCE', () => {
    for (const vmm of ['ec2', 'gce'] as const) {
      const [milan, genoa] = ['EPYC-Milan', 'EPYC-Genoa'].map((type) =>
        toHex(snpLaunchDigest({ ...launch, vmm, signature: signatureOf(type) })),
      );
      assert.equal(milan, genoa);
    }
  });

  for (const [what, change, expected] of [
    ['no processor', { processors: 0 }, 'MEASUREMENT_INPUT'],
    ['half a processor', { processors: 1.5 }, 'MEASUREMENT_INPUT'],
    ['a command line with a NUL', { boot: boot('a\0b') }, 'MEASUREMENT_INPUT'],
    ['a short firmware digest', { firmwareDigest: new Uint8Array(47) }, 'MEASUREMENT_INPUT'],
    [
      'a kernel beside firmware that would not check it',
      { firmware: parseFirmware(forgeOvmf({ resetAddress: 1, sev: [[0x800000, 0x1000, 1]] })) },
      'MEASUREMENT_FIRMWARE',
    ],
    [
      'a kernel beside firmware without SEV metadata',
      { firmware: parseFirmware(forgeOvmf({ resetAddress: 1 })) },
      'MEASUREMENT_FIRMWARE',
    ],
    [
      'firmware without a reset block',
      { boot: undefined, firmware: parseFirmware(forgeOvmf({ sev: [[0x800000, 0x1000, 1]] })) },
      'MEASUREMENT_FIRMWARE',
    ],
  ] as const satisfies readonly [string, Partial<SnpLaunch>, string][]) {
    test(`${what} is refused with ${expected}`, () => {
      assert.throws(() => snpLaunchDigest({ ...launch, ...change }), code(expected));
    });
  }

  for (const [what, section] of [
    ['of unknown type', [0, 0x1000, 9]],
    ['that is no whole page', [0, 0x800, 1]],
    ['that begins within a page', [0x800, 0x1000, 1]],
    ['of more pages than any firmware has', [0, 16 * 1024 * 1024 + 0x1000, 1]],
  ] as const) {
    test(`firmware with a section ${what} is refused`, () => {
      const firmware = parseFirmware(forgeOvmf({ resetAddress: 1, sev: [section] }));
      const measure = () => snpLaunchDigest({ ...launch, boot: undefined, firmware });
      assert.throws(measure, code('MEASUREMENT_FIRMWARE'));
    });
  }

  test('firmware without SEV metadata is measured, and said to start nowhere', () => {
    const [plain, described] = [{}, { sev: [[0x800000, 0x1000, 1]] as const }].map((sev) =>
      measureSnp({
        firmware: forgeOvmf({ resetAddress: 1, ...sev }),
        firmwareDigest: undefined,
        boot: undefined,
        vmm: 'qemu',
        processors: [1],
        signature: signatureOf('EPYC-v4'),
        features: 1n,
      }),
    );
    assert.equal(plain?.startable, false);
    assert.equal(described?.startable, true);
    assert.notEqual(plain?.measurements[0]?.digest, described?.measurements[0]?.digest);
  });

  test('firmware of any bytes is parsed or refused, never worse', () => {
    const seed = forgeOvmf(AMD_SEV_2023);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.integer({ min: 2000, max: 4095 }), fc.nat(255)), { maxLength: 8 }),
        (edits) => {
          const image = Uint8Array.from(seed);
          for (const [at, value] of edits) image[at] = value;
          try {
            snpLaunchDigest({ ...launch, firmware: parseFirmware(image) });
          } catch (error) {
            assert.ok(error instanceof AssayError, String(error));
          }
        },
      ),
      { numRuns: 300, seed: 1 },
    );
  });
});
