import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { toPem } from '../../../attestation/encoding/pem.js';
import { decodeBundle } from '../../../attestation/evidence/bundle.js';
import { SIMULATED_MEASUREMENT } from '../../../enclave/platform/simulator/snp.js';
import { formatNpy } from '../../../src/client/npy.js';
import { tensor } from '../../../src/client/tensor.js';
import { startAdder } from '../../forge/adder-server.js';
import { assay, spawnAssay } from '../../forge/cli.js';
import { evidenceOf } from '../../forge/enclave.js';
import { testFolder } from '../../forge/test-folder.js';

const server = await startAdder();
const { at, folder, place, trust } = testFolder();

before(async () => {
  const policy = {
    version: 1,
    snp: { measurements: [toHex(SIMULATED_MEASUREMENT)] },
    enclave: { allowUnknownModels: true, allowUnpinned: true },
  };
  const files = {
    'policy.json': JSON.stringify(policy),
    'root.pem': toPem(server.root, 'CERTIFICATE'),
    'a.json': '[1, 2]',
    'b.json': '[3, 4]',
    'a.npy': formatNpy(tensor('a', 'FP32', [1, 2])),
    'garbage.bin': 'garbage',
    'garbage.der': Uint8Array.of(0x30, 0x03, 1, 1, 0),
    'garbage.pem': toPem(Uint8Array.of(0x30, 0x03, 1, 1, 0), 'CERTIFICATE'),
    'garbage.json': '{"tcb_info": 1}',
  };
  place(files);
});
after(() => server.close());

const given = (): string[] => ['--input', `a=${at('a.json')}`, '--input', `b=${at('b.json')}`];
const url = 'http://127.0.0.1:1';
const DIGEST = `sha256:${'0'.repeat(64)}`;

for (const option of ['--kds', '--pcs']) {
  test(`credentials in the URL of ${option} are refused, and not repeated`, async () => {
    const command = option === '--kds' ? ['snp', '--report'] : ['tdx', '--quote'];
    for (const secret of [
      'https://user:S3cret@kds.example/',
      'https://S3cret@kds.example',
      'user:S3cret@kds.example',
      '//user:S3cret@kds.example',
      'ftp://user:S3cret@kds.example',
      ' https://user:S3cret@kds.example',
      'https://:S3cret@kds.example',
      'https://user:S3/cret@kds.example',
      'https://user:S3#cret@kds.example',
      'https://user:S3cret@kds.example?a=b',
    ]) {
      const { code, out, err } = await assay(['verify', ...command, at('a.json'), option, secret]);
      assert.equal(code, 2);
      assert.match(err, /USAGE_OPTION/);
      assert.doesNotMatch(out + err, /S3|cret/);
    }
  });
}

test('an at sign in the path of a URL is no credential', async () => {
  const { err } = await assay(['verify', 'snp', '--report', at('none'), '--kds', `${url}/@mirror`]);
  assert.match(err, /USAGE_FILE/);
});

/** A command line that must end before anything is asked of anybody, and why. */
type Case = readonly [name: string, code: string, says: RegExp, args: () => readonly string[]];

const idle: readonly Case[] = [
  [
    'attest --kds --offline',
    'USAGE_OPTION',
    /^--kds changes nothing with --offline$/,
    () => ['attest', server.target, ...trust(), '--kds', url, '--offline'],
  ],
  [
    'attest --root --cache',
    'USAGE_OPTION',
    /^--cache changes nothing with --root/,
    () => ['attest', server.target, ...trust(), '--cache', folder],
  ],
  [
    'attest --policy twice',
    'USAGE_OPTION',
    /^expected --policy once$/,
    () => ['attest', server.target, ...trust(), '--policy', at('policy.json')],
  ],
  [
    'replay --model --kds',
    'USAGE_OPTION',
    /^--kds changes nothing without --target/,
    () => ['replay', at('a.proof'), '--model', at('a.onnx'), '--kds', url],
  ],
  [
    'replay --target --max-run',
    'USAGE_OPTION',
    /^--max-run changes nothing with --target$/,
    () => ['replay', at('a.proof'), '--target', server.target, ...trust(), '--max-run', '5'],
  ],
  [
    'replay --seed without --sample',
    'USAGE_OPTION',
    /^--seed changes nothing without --sample$/,
    () => ['replay', at('a.proof'), '--model', at('a.onnx'), '--seed', '00'.repeat(32)],
  ],
  ...(['', '0x1', '1.5', '-0.1', '1e-2'] as const).map(
    (fraction): Case => [
      `replay --sample ${JSON.stringify(fraction)}`,
      'USAGE_ARGUMENTS',
      /expected a fraction from 0 to 1/,
      () => ['replay', at('a.proof'), '--model', at('a.onnx'), `--sample=${fraction}`],
    ],
  ),
  ...(['--plain-http', '--no-plain-http'] as const).flatMap((option) =>
    [
      ['pull', 'ocidir://hub:v1', 'model'],
      ['push', at('a.onnx'), 'ocidir://hub:v1'],
      ['show', 'ocidir://hub:v1'],
      ['list', 'ocidir://hub'],
    ].map(
      (parts): Case => [
        `hub ${parts[0]} ocidir://… ${option}`,
        'USAGE_OPTION',
        new RegExp(`^${option} changes nothing with ocidir://$`),
        () => ['hub', ...parts, option],
      ],
    ),
  ),
  [
    'hub pull --accept-move of a digest',
    'USAGE_OPTION',
    /^--accept-move changes nothing without a tag/,
    () => ['hub', 'pull', `ocidir://hub@${DIGEST}`, 'model', '--accept-move'],
  ],
  [
    'hub push --move-tag to a digest',
    'USAGE_OPTION',
    /^--move-tag changes nothing without a tag/,
    () => ['hub', 'push', at('a.onnx'), `ocidir://hub@${DIGEST}`, '--move-tag'],
  ],
  [
    'conform --with --pcs',
    'USAGE_OPTION',
    /^--pcs changes nothing without a target/,
    () => ['conform', '--with', at('r'), '--model', 'm', '--vectors', at('v'), '--pcs', url],
  ],
  [
    'verify snp --offline --kds',
    'USAGE_OPTION',
    /^--kds changes nothing with --offline$/,
    () => ['verify', 'snp', '--report', at('garbage.bin'), '--offline', '--kds', url],
  ],
  [
    'verify snp --root --cache',
    'USAGE_OPTION',
    /^--cache changes nothing with --root/,
    () => [
      ...['verify', 'snp', '--report', at('garbage.bin')],
      ...['--root', at('root.pem'), '--cache', folder],
    ],
  ],
  ...(['--pcs', '--cache', '--tcb-update'] as const).flatMap((option): Case[] => {
    const value = { '--pcs': url, '--cache': 'cache', '--tcb-update': 'early' }[option];
    const quote = (): string[] => ['verify', 'tdx', '--quote', at('garbage.bin'), option, value];
    return [
      [
        `verify tdx --collateral ${option}`,
        'USAGE_OPTION',
        new RegExp(`^${option} changes nothing with --collateral`),
        () => [...quote(), '--collateral', at('garbage.json')],
      ],
      [
        `verify tdx --offline ${option}`,
        'USAGE_OPTION',
        new RegExp(`^${option} changes nothing with --offline`),
        () => [...quote(), '--offline'],
      ],
    ];
  }),
  ...(['--vek', '--chain', '--certs', '--crl', '--kds'] as const).map(
    (option): Case => [
      `collect --quote ${option}`,
      'USAGE_OPTION',
      new RegExp(`^${option} changes nothing with --quote$`),
      () => [
        ...['collect', '--quote', at('garbage.bin'), '--out', at('out')],
        ...[option, option === '--kds' ? url : at('garbage.bin')],
      ],
    ],
  ),
  ...(['--pcs', '--tcb-update'] as const).map(
    (option): Case => [
      `collect --report ${option}`,
      'USAGE_OPTION',
      new RegExp(`^${option} changes nothing with --report$`),
      () => [
        ...['collect', '--report', at('garbage.bin'), '--out', at('out')],
        ...[option, option === '--pcs' ? url : 'early'],
      ],
    ],
  ),
  ...(['--vectors', '--tolerances', '--baseline'] as const).map(
    (option): Case => [
      `admit --static ${option}`,
      'USAGE_OPTION',
      new RegExp(`^${option} changes nothing with --static`),
      () => ['admit', at('a.onnx'), '--static', option, option === '--baseline' ? '1' : at('v')],
    ],
  ),
  [
    'hub list --plain-http --no-plain-http',
    'USAGE_OPTION',
    /^expected one of --plain-http and --no-plain-http$/,
    () => ['hub', 'list', 'oci://registry.invalid', '--plain-http', '--no-plain-http'],
  ],
  [
    'hub list --no-plain-http --plain-http',
    'USAGE_OPTION',
    /^expected one of --no-plain-http and --plain-http$/,
    () => ['hub', 'list', 'oci://registry.invalid', '--no-plain-http', '--plain-http'],
  ],
  [
    'quorum --timeout 0',
    'USAGE_ARGUMENTS',
    /expected a positive integer/,
    () => ['quorum', 'adder', server.target, '--agree', '1', '--timeout', '0', ...trust()],
  ],
  [
    'verify tdx --tcb-update of another kind',
    'USAGE_ARGUMENTS',
    /expected standard, early or a tcbEvaluationDataNumber/,
    () => ['verify', 'tdx', '--quote', at('garbage.bin'), '--tcb-update', 'foo'],
  ],
  ...[[], ['--report', 'r', '--quote', 'q']].map(
    (given): Case => [
      `collect ${given.join(' ')}`,
      'USAGE_ARGUMENTS',
      /^expected either --report or --quote$/,
      () => ['collect', ...given, '--out', at('out')],
    ],
  ),
  [
    'help of a command that is not there',
    'USAGE_ARGUMENTS',
    /^there is no command verify nosuch$/,
    () => ['help', 'verify', 'nosuch'],
  ],
  [
    'serve of a model in a hub without a digest',
    'HUB_UNPINNED',
    /^expected a digest after ocidir:/,
    () => ['serve', `ocidir://${folder}`],
  ],
  [
    'policy init --policy',
    'USAGE_ARGUMENTS',
    /unknown option '--policy'/,
    () => ['policy', 'init', at('garbage.bin'), '--policy', at('policy.json')],
  ],
  [
    'infer --shape of no input',
    'USAGE_OPTION',
    /^--shape c=… changes nothing: no --input c$/,
    () => ['infer', server.target, 'adder', ...given(), ...trust(), '--shape', 'c=2'],
  ],
  [
    'quorum --shape of an .npy file',
    'USAGE_OPTION',
    /^--shape a=… changes nothing: .* is \.npy and states its shape$/,
    () => [
      ...['quorum', 'adder', server.target, '--agree', '1', ...trust()],
      ...['--input', `a=${at('a.npy')}`, '--shape', 'a=2'],
    ],
  ],
  [
    'infer --output twice for one name',
    'USAGE_OPTION',
    /^expected --output once for each name$/,
    () => [
      ...['infer', server.target, 'adder', ...given(), ...trust()],
      ...['--output', 'sum', '--output', `sum=${at('sum.npy')}`],
    ],
  ],
];

describe('an option that would change nothing', () => {
  for (const [name, code, says, args] of idle) {
    test(name, async () => {
      const { code: exit, out, err } = await assay([...args(), '--json']);
      const { error } = JSON.parse(err);
      assert.deepEqual([exit, out, error.code], [2, '', code]);
      assert.match(error.message, says);
    });
  }
});

describe("a file of the caller's own that is not what it is given as", () => {
  const report = (): string[] => ['verify', 'snp', '--report', at('report.bin'), '--offline'];
  const attest = (): string[] => ['attest', server.target, ...trust()];
  const cases: readonly (readonly [name: string, says: RegExp, args: () => readonly string[]])[] = [
    ...['--vek', '--crl', '--chain'].flatMap((option) =>
      ['garbage.bin', 'garbage.der'].map(
        (file) =>
          [
            `verify snp ${option} ${file}`,
            /is no certificate and no revocation list: /,
            () => [...report(), option, at(file)],
          ] as const,
      ),
    ),
    [
      'verify snp --certs',
      /is no certificate table: /,
      () => [...report(), '--certs', at('garbage.bin')],
    ],
    ...['garbage.bin', 'garbage.der', 'garbage.pem'].flatMap((file) =>
      [
        [`verify snp --root ${file}`, () => [...report(), '--root', at(file)]] as const,
        [
          `verify tdx --root ${file}`,
          () => ['verify', 'tdx', '--quote', at('report.bin'), '--offline', '--root', at(file)],
        ] as const,
        [
          `attest --root ${file}`,
          () => ['attest', server.target, '--policy', at('policy.json'), '--root', at(file)],
        ] as const,
      ].map(([name, args]) => [name, /is no certificate in PEM or DER: /, args] as const),
    ),
    [
      'attest --endorsements',
      /is no certificate and no revocation list: /,
      () => [...attest(), '--endorsements', at('garbage.der')],
    ],
    [
      'attest --endorsements, JSON',
      /is no collateral: /,
      () => [...attest(), '--endorsements', at('garbage.json')],
    ],
    [
      'infer --endorsements',
      /is no collateral: /,
      () => [
        ...['infer', server.target, 'adder', ...given(), ...trust()],
        ...['--endorsements', at('garbage.json')],
      ],
    ],
  ];
  before(async () => {
    const { report: bytes } = decodeBundle(await evidenceOf(server.enclave, new Uint8Array(32)));
    await writeFile(at('report.bin'), bytes);
  });
  for (const [name, says, args] of cases) {
    test(`${name} is wrong usage, not a fault of the evidence`, async () => {
      const { code, out, err } = await assay([...args(), '--json']);
      const { error } = JSON.parse(err);
      assert.deepEqual([code, out, error.code], [2, '', 'USAGE_FILE']);
      assert.match(error.message, says);
    });
  }
});

describe('what cannot be written', () => {
  const nowhere = (): string => join(at('nowhere'), 'file');
  const infer = (): string[] => ['infer', server.target, 'adder', ...given(), ...trust()];
  const quorum = (): string[] => [
    ...['quorum', 'adder', server.target, '--agree', '1', ...given(), ...trust()],
  ];
  const unwritable: readonly (readonly [string, RegExp, () => readonly string[]])[] = [
    ['infer --save-proof', /no such folder$/, () => [...infer(), '--save-proof', nowhere()]],
    ['infer --output', /no such folder$/, () => [...infer(), '--output', `sum=${nowhere()}`]],
    ['quorum --output', /no such folder$/, () => [...quorum(), '--output', `sum=${nowhere()}`]],
    ['infer --save-proof FOLDER', /is a directory$/, () => [...infer(), '--save-proof', folder]],
    [
      'quorum --save-proofs',
      /there is a file$/,
      () => [...quorum(), '--save-proofs', at('a.json')],
    ],
    [
      'conform --save',
      /no such folder$/,
      () => [
        ...['conform', server.target, '--model', 'adder', '--vectors', at('v'), ...trust()],
        ...['--save', nowhere()],
      ],
    ],
    [
      'proxy --save-proofs',
      /there is a file$/,
      () => ['proxy', server.target, ...trust(), '--save-proofs', at('a.json')],
    ],
    [
      'attest --save',
      /no such folder$/,
      () => ['attest', server.target, ...trust(), '--save', nowhere()],
    ],
  ];
  for (const [name, says, args] of unwritable) {
    test(`${name} is found before anything is asked`, async () => {
      const before = server.inferences;
      const { code, out, err } = await assay([...args(), '--json']);
      const { error } = JSON.parse(err);
      assert.deepEqual([code, out, error.code], [2, '', 'USAGE_FILE']);
      assert.match(error.message, says);
      assert.equal(server.inferences, before);
      assert.equal(existsSync(nowhere()), false);
    });
  }
});

describe('standard error with --json is one JSON value', () => {
  const given1 = (): string[] => ['quorum', 'adder', server.target, '--json', ...trust()];

  test('remarks are beside the failure', async () => {
    const args = [...given1(), 'localhost:1', '--agree', '1', ...given()];
    const { code, err } = await assay([...args, '--endorsements', at('garbage.json')]);
    const { error, notes } = JSON.parse(err);
    assert.deepEqual([code, error.code, notes.length], [2, 'USAGE_FILE', 1]);
    assert.match(notes[0], /no majority/);
  });
  test('nothing is remarked of a number of nodes that is refused', async () => {
    const { code, err } = await assay([...given1(), '--agree', '0', ...given()]);
    const { error, notes } = JSON.parse(err);
    assert.deepEqual([code, error.code, notes], [2, 'USAGE_QUORUM', undefined]);
  });
  test('remarks without a failure are there by themselves', async () => {
    const twice = [...given1(), 'localhost:1', '--agree', '1', ...given()];
    const { code, err } = await assay(twice);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(err).notes, [
      '1 of 2 is no majority: others may agree on another answer',
    ]);
  });

  test('a port that is taken is one failure', async () => {
    const taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = taken.address() as AddressInfo;
      const listen = ['--listen', `127.0.0.1:${port}`];
      const proxy = spawnAssay(['proxy', server.target, ...trust(), ...listen, '--json']);
      assert.equal(await proxy.ended, 4);
      assert.equal(JSON.parse(proxy.written.err).error.code, 'CONFIG_LISTEN');
    } finally {
      taken.close();
    }
  });

  for (const address of ['8001', 'localhost', ':8001', 'localhost:65536']) {
    test(`--listen ${address} is no address`, async () => {
      const { code, err } = await assay(['proxy', server.target, '--listen', address, '--json']);
      assert.deepEqual([code, JSON.parse(err).error.code], [2, 'USAGE_ARGUMENTS']);
    });
  }
});
