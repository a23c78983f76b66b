import assert from 'node:assert/strict';
import { generateKeyPairSync, hash } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { before, suite, test } from 'node:test';
import { assay } from '../../forge/cli.js';
import { forgeDisk, forgeEntry } from '../../forge/gpt.js';
import { type ForgedVariable, forgeOvmf, forgeVariables } from '../../forge/ovmf.js';
import { forgePe } from '../../forge/pe.js';
import { testFolder } from '../../forge/test-folder.js';

const { at } = testFolder();

const measure = (...args: readonly string[]) => assay(['measure', 'launch', ...args]);

const VOLUME = { dataOffset: 0, dataSize: 0x1000, address: 0xffffe000n, size: 0x1000n };

const DEPLOYMENT = {
  version: 1,
  name: 'assay',
  tee: 'sev-snp',
  launchPolicy: 'policy.json',
  boot: { kernel: 'kernel', initrd: 'kernel', commandLine: 'quiet' },
  machine: {},
};

suite('assay measure launch', () => {
  before(async () => {
    const kernel = forgePe([['.text', Buffer.alloc(512, 1)]]).bytes;
    const uki = forgePe([
      ['.cmdline', Buffer.from('console=ttyS0')],
      ['.linux', kernel],
      ['.initrd', Buffer.from('initrd')],
    ]).bytes;
    const tdvf = [{ ...VOLUME, type: 0, attributes: 1 }];
    await writeFile(at('tdx.fd'), forgeOvmf({ size: 0x2000, tdvf }));
    await writeFile(
      at('snp.fd'),
      forgeOvmf({ resetAddress: 0x80b004, sev: [[0x80d000, 0x1000, 2]] }),
    );
    await writeFile(at('plain.fd'), forgeOvmf({}));
    await writeFile(at('kernel'), kernel);
    await writeFile(at('deployment.json'), JSON.stringify(DEPLOYMENT));
    await writeFile(at('uki.efi'), uki);
    await writeFile(at('disk.raw'), forgeDisk({ entries: [forgeEntry(1, 34n, 60n)] }));
  });

  for (const [what, boot, open] of [
    ['without a kernel', [], ['RTMR0', 'RTMR1', 'RTMR2', 'RTMR3']],
    ['with a kernel of the host', ['--kernel', 'kernel'], ['RTMR0', 'RTMR3']],
    ['with an image', ['--uki', 'uki.efi'], ['RTMR0', 'RTMR1 from a disk', 'RTMR3']],
    ['with an image on a disk', ['--uki', 'uki.efi', '--disk', 'disk.raw'], ['RTMR0', 'RTMR3']],
  ] as const) {
    test(`TDX ${what}: says which registers it leaves open, and why`, async () => {
      const files = boot.map((word) => (word.startsWith('--') ? word : at(word)));
      const args = ['--tee', 'tdx', '--firmware', at('tdx.fd'), ...files];
      const { code, out } = await measure(...args, '--json');
      assert.equal(code, 0);
      const { tdx, notComputed } = JSON.parse(out);
      assert.deepEqual(
        notComputed.map(({ register }: { readonly register: string }) => register),
        open,
      );
      for (const register of ['rtmr1', 'rtmr2']) {
        assert.equal(register in tdx, boot.length > 0, register);
      }
      const { out: text } = await measure(...args);
      for (const { register, why } of notComputed) {
        assert.match(text, new RegExp(`${register} +${why.slice(0, 20)}`));
      }
    });
  }

  for (const [what, boot, noted] of [
    [
      'with an initrd, before which firmware puts a word',
      ['--initrd', 'kernel'],
      ['RTMR1', 'RTMR2'],
    ],
    ['without', [], ['RTMR1']],
  ] as const) {
    test(`a direct TDX boot ${what}: says which QEMU and firmware its registers are of`, async () => {
      const files = boot.map((word) => (word.startsWith('--') ? word : at(word)));
      const args = ['--tee', 'tdx', '--firmware', at('tdx.fd'), '--kernel', at('kernel'), ...files];
      const { notes } = JSON.parse((await measure(...args, '--json')).out);
      assert.deepEqual(
        notes.map(({ what: register }: { readonly what: string }) => register),
        noted,
      );
      const { out } = await measure(...args);
      assert.match(out, /To know\n +RTMR1 .*edk2 since 2025, .*QEMU 10\.2 or later/);
      assert.equal(/\n +RTMR2 .*edk2 since the middle of 2025/.test(out), noted.length > 1);
    });
  }

  const ENROLLED: ForgedVariable = ['PK', [1, 2, 3]];
  for (const [what, variables, enforces] of [
    ['with keys', [['db', [1]], ENROLLED], true],
    ['with keys, switched on', [ENROLLED, ['SecureBootEnable', [1]]], true],
    ['with keys, switched off', [ENROLLED, ['SecureBootEnable', [0]]], false],
    ['with keys, no longer off', [['SecureBootEnable', [0], 0x3c], ENROLLED], true],
    ['with keys that were removed', [['PK', [1], 0x3d]], false],
    ['with an empty key', [['PK', []]], false],
    ['without keys', [], false],
  ] as const satisfies readonly (readonly [string, readonly ForgedVariable[], boolean])[]) {
    test(`firmware ${what}: says of a direct TDX boot whether Secure Boot is in its way`, async () => {
      const firmware = await readFile(at('tdx.fd'));
      firmware.set(forgeVariables(variables), 0x48);
      await writeFile(at('variables.fd'), firmware);
      const args = ['--tee', 'tdx', '--firmware', at('variables.fd'), '--kernel', at('kernel')];
      const { notes } = JSON.parse((await measure(...args, '--json')).out);
      const [first] = notes as readonly { readonly what: string; readonly note: string }[];
      assert.equal(
        first?.what === 'firmware' && /^it enforces Secure Boot/.test(first.note),
        enforces,
      );
    });
  }

  test('the partition table of the disk is in RTMR1 before the image, and is one of the inputs', async () => {
    const args = ['--tee', 'tdx', '--firmware', at('tdx.fd'), '--uki', at('uki.efi'), '--json'];
    const without = JSON.parse((await measure(...args)).out);
    const { tdx, events, inputs } = JSON.parse(
      (await measure(...args, '--disk', at('disk.raw'))).out,
    );
    assert.notDeepEqual(tdx.rtmr1, without.tdx.rtmr1);
    assert.deepEqual(tdx, { ...without.tdx, rtmr1: tdx.rtmr1 });
    const disk = await readFile(at('disk.raw'));
    const data = [disk.subarray(512, 604), Buffer.from([1, ...Array(7).fill(0)])];
    const table = hash('sha384', Buffer.concat([...data, disk.subarray(1024, 1024 + 128)]));
    const names = events.map(({ what }: { readonly what: string }) => what);
    assert.equal(names.indexOf('unified kernel image (Authenticode)'), 3);
    assert.deepEqual(events[2], {
      register: 'RTMR1',
      what: 'partition table (GPT)',
      digest: table,
    });
    assert.match(inputs['partition table'], /^sha256:[0-9a-f]{64} \(228 bytes\)$/);
  });

  for (const [what, args, code] of [
    ['SNP on firmware without SEV metadata', ['sev-snp', 'plain.fd'], 'MEASUREMENT_FIRMWARE'],
    ['TDX on firmware without a TDVF descriptor', ['tdx', 'plain.fd'], 'MEASUREMENT_FIRMWARE'],
    [
      'a kernel that the firmware would not check',
      ['sev-snp', 'snp.fd', '--kernel', 'kernel'],
      'MEASUREMENT_FIRMWARE',
    ],
    ['no processors', ['sev-snp', 'snp.fd', '--processors', '0'], 'MEASUREMENT_INPUT'],
    ['a kernel in place of an image', ['tdx', 'tdx.fd', '--uki', 'kernel'], 'MEASUREMENT_PE'],
    ['an initrd without a kernel', ['tdx', 'tdx.fd', '--initrd', 'kernel'], 'USAGE_OPTION'],
    ['a UKI, which SNP does not measure', ['sev-snp', 'snp.fd', '--uki', 'kernel'], 'USAGE_OPTION'],
    ['processors, which TDX does not', ['tdx', 'tdx.fd', '--processors', '2'], 'USAGE_OPTION'],
    [
      'a kernel beside a UKI',
      ['tdx', 'tdx.fd', '--uki', 'kernel', '--kernel', 'kernel'],
      'USAGE_OPTION',
    ],
    [
      'an initrd beside a UKI, which has its own',
      ['tdx', 'tdx.fd', '--uki', 'uki.efi', '--initrd', 'kernel'],
      'USAGE_OPTION',
    ],
    [
      'a command line beside a UKI, which has its own',
      ['tdx', 'tdx.fd', '--uki', 'uki.efi', '--command-line', 'quiet'],
      'USAGE_OPTION',
    ],
    [
      'a disk without the image that is started from it',
      ['tdx', 'tdx.fd', '--kernel', 'kernel', '--disk', 'disk.raw'],
      'USAGE_OPTION',
    ],
    [
      'a disk, which SNP does not measure',
      ['sev-snp', 'snp.fd', '--disk', 'disk.raw'],
      'USAGE_OPTION',
    ],
    [
      'a disk without a partition table',
      ['tdx', 'tdx.fd', '--uki', 'uki.efi', '--disk', 'uki.efi'],
      'MEASUREMENT_DISK',
    ],
    [
      'a disk that is not there',
      ['tdx', 'tdx.fd', '--uki', 'uki.efi', '--disk', 'none.raw'],
      'USAGE_FILE',
    ],
    [
      'two processor models',
      ['sev-snp', 'snp.fd', '--cpu', 'EPYC-v4', '--cpu-signature', '0x800f12'],
      'USAGE_OPTION',
    ],
    ...[
      ['--guest-policy', '0x30000'],
      ['--guest-svn', '0'],
      ['--family-id', '00'.repeat(16)],
      ['--image-id', '00'.repeat(16)],
    ].map(
      ([flag = '', value = '']) =>
        [
          `${flag} without an ID block`,
          ['sev-snp', 'snp.fd', flag, value],
          'USAGE_OPTION',
        ] as const,
    ),
    ...[
      ['--vmm', 'qemu'],
      ['--guest-svn', '0'],
      ['--family-id', '00'.repeat(16)],
    ].map(
      ([flag = '', value = '']) =>
        [`${flag}, which TDX has not`, ['tdx', 'tdx.fd', flag, value], 'USAGE_OPTION'] as const,
    ),
  ] as const) {
    test(`${what}: a wrong call, and why`, async () => {
      const [tee, firmware, ...rest] = args;
      const files = rest.map((word) => (/^kernel$|\.(efi|raw)$/.test(word) ? at(word) : word));
      const outcome = await measure('--tee', tee, '--firmware', at(firmware), ...files);
      assert.deepEqual([outcome.code, outcome.out], [2, '']);
      assert.match(outcome.err, new RegExp(`^error ${code}: `));
    });
  }

  for (const vmm of ['ec2', 'gce']) {
    for (const [flag, value] of [
      ['--cpu', 'EPYC-Genoa'],
      ['--cpu-signature', '0x800f12'],
    ] as const) {
      test(`${flag} with --vmm ${vmm}, whose measurement no processor changes: a wrong call`, async () => {
        const snp = ['--tee', 'sev-snp', '--firmware', at('snp.fd'), '--vmm', vmm];
        assert.equal((await measure(...snp)).code, 0);
        const { code, out, err } = await measure(...snp, flag, value);
        assert.deepEqual([code, out], [2, '']);
        assert.match(
          err,
          new RegExp(`^error USAGE_OPTION: ${flag} changes nothing with --vmm ${vmm}: `),
        );
      });
    }
  }

  for (const vmm of ['ec2', 'gce']) {
    for (const flag of [
      '--deployment',
      '--kernel',
      '--initrd',
      '--command-line',
      '--launch-policy',
      '--id-key',
    ]) {
      test(`${flag} with --vmm ${vmm}, which takes none of its customers: a wrong call`, async () => {
        const snp = ['--tee', 'sev-snp', '--firmware', at('snp.fd'), '--vmm', vmm];
        const { code, out, err } = await measure(...snp, flag, at('deployment.json'));
        assert.deepEqual([code, out], [2, '']);
        assert.match(err, new RegExp(`^error USAGE_OPTION: ${flag} is for hosts of your own`));
      });
    }
  }

  test('a processor decides the measurement where nothing is said of the machine monitor', async () => {
    const of = async (...args: readonly string[]): Promise<string> => {
      const snp = ['--tee', 'sev-snp', '--firmware', at('snp.fd'), '--json'];
      return JSON.parse((await measure(...snp, ...args)).out).snp.measurements[0];
    };
    assert.equal(await of('--cpu', 'EPYC-v4'), await of('--vmm', 'qemu'));
    assert.notEqual(await of('--cpu', 'EPYC-Genoa'), await of('--cpu', 'EPYC-v4'));
  });

  test('a CPUID signature has 32 bits', async () => {
    const snp = ['--tee', 'sev-snp', '--firmware', at('snp.fd')];
    assert.equal((await measure(...snp, '--cpu-signature', '0xffffffff')).code, 0);
    assert.equal((await measure(...snp, '--cpu-signature', '0x100000000')).code, 2);
  });
});

suite('assay measure explain', () => {
  const explain = (before: string, after: string, ...more: readonly string[]) =>
    assay(['measure', 'explain', at(before), at(after), ...more]);
  const pem = (): string =>
    generateKeyPairSync('ec', { namedCurve: 'P-384' })
      .privateKey.export({ type: 'pkcs8', format: 'pem' })
      .toString();

  before(async () => {
    await writeFile(at('snp.fd'), forgeOvmf({ resetAddress: 0x80b004, sev: [] }));
    for (const name of ['one.pem', 'two.pem']) await writeFile(at(name), pem());
    for (const [name, ...keys] of [
      ['plain.json'],
      ['one.json', '--id-key', at('one.pem')],
      ['two.json', '--id-key', at('two.pem')],
      ['authored.json', '--id-key', at('one.pem'), '--author-key', at('two.pem')],
    ] as const) {
      const snp = ['--tee', 'sev-snp', '--firmware', at('snp.fd'), '--output', at(name)];
      assert.equal((await measure(...snp, ...keys)).code, 0);
    }
    const { inputs, snp } = JSON.parse(await readFile(at('plain.json'), 'utf8'));
    const edited = { version: 1, inputs, snp: { ...snp, measurements: ['00'.repeat(48)] } };
    await writeFile(at('edited.json'), JSON.stringify(edited));
    const named = { ...inputs, toString: 'x', constructor: 'y' };
    await writeFile(at('named.json'), JSON.stringify({ version: 1, inputs: named, snp }));
    const strange = { ...named, tee: 'constructor' };
    await writeFile(at('strange.json'), JSON.stringify({ version: 1, inputs: strange, snp }));
  });

  for (const [what, before, after, inputs, values] of [
    ['nothing', 'one.json', 'one.json', [], []],
    ['another ID key', 'one.json', 'two.json', ['id key'], ['snp.idKeyDigests']],
    ['an ID key in one alone', 'plain.json', 'one.json', ['id key'], ['snp.idKeyDigests']],
    ['an author', 'one.json', 'authored.json', ['author key'], ['snp.authorKeyDigests']],
    ['a value without an input', 'plain.json', 'edited.json', [], ['snp.measurements']],
    [
      'inputs with the names of what every object has',
      'plain.json',
      'named.json',
      ['toString', 'constructor'],
      [],
    ],
    ['hardware with such a name', 'named.json', 'strange.json', ['tee'], []],
  ] as const) {
    test(`tells ${what}`, async () => {
      const { out, code } = await explain(before, after, '--json');
      assert.equal(code, 0);
      const { changes, values: changed } = JSON.parse(out);
      assert.deepEqual(
        changes.map(({ input }: { readonly input: string }) => input),
        inputs,
      );
      assert.deepEqual(
        changed.map(({ name }: { readonly name: string }) => name),
        values,
      );
      const { out: text } = await explain(before, after);
      for (const input of inputs)
        assert.match(text, new RegExp(`^${input} changed: it decides [a-zA-Z]`, 'm'));
      const same = inputs.length === 0 && values.length === 0;
      assert.equal(/so are the expected values/.test(text), same);
      assert.equal(/no input says why/.test(text), inputs.length === 0 && values.length > 0);
    });
  }
});
