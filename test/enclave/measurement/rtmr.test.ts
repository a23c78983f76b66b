import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { suite, test } from 'node:test';
import { fromHex, toHex } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { replayDigests } from '../../../attestation/evidence/replay.js';
import {
  type BootEvent,
  rtmr1Alternatives,
  rtmr2Events,
  type TdxBoot,
} from '../../../enclave/measurement/rtmr.js';
import { forgePe } from '../../forge/pe.js';

const replay = (events: readonly BootEvent[]): Uint8Array =>
  replayDigests(events.map(({ digest }) => digest));
const sha384 = (data: Uint8Array): string => createHash('sha384').update(data).digest('hex');
const refused = (code: string) => (error: unknown) =>
  error instanceof AssayError && error.code === code;

suite('boot registers', () => {
  const kernel = forgePe([['.text', Buffer.alloc(512, 1)]]).bytes;
  const initrd = Buffer.from('initrd');
  const direct: TdxBoot = { kind: 'direct', kernel, initrd, commandLine: 'console=ttyS0' };
  const uki: TdxBoot = {
    kind: 'uki',
    partitionTable: undefined,
    image: forgePe([
      ['.cmdline', Buffer.from('console=ttyS0')],
      ['.linux', kernel],
      ['.initrd', initrd],
    ]).bytes,
  };

  test('RTMR1 follows the kernel and nothing else of a direct boot', () => {
    const before = toHex(replay(rtmr1Alternatives(direct)[0]));
    const other = forgePe([['.text', Buffer.alloc(512, 2)]]).bytes;
    assert.notEqual(toHex(replay(rtmr1Alternatives({ ...direct, kernel: other })[0])), before);
    const same = { ...direct, initrd: Buffer.from('x'), commandLine: 'y' };
    assert.equal(toHex(replay(rtmr1Alternatives(same)[0])), before);
  });

  test('RTMR2 follows command line and initrd and not the kernel', () => {
    const before = toHex(replay(rtmr2Events(direct)));
    for (const change of [{ commandLine: 'console=ttyS1' }, { initrd: Buffer.from('x') }]) {
      assert.notEqual(toHex(replay(rtmr2Events({ ...direct, ...change }))), before);
    }
    const other = forgePe([['.text', Buffer.alloc(512, 2)]]).bytes;
    assert.equal(toHex(replay(rtmr2Events({ ...direct, kernel: other }))), before);
  });

  test('the command line is measured as a Xeon 6731E did (aleph-vm, TDX boot measurement vectors)', () => {
    const commandLine = 'root=LABEL=cloudimg-rootfs ro console=ttyS0';
    const [options, last] = rtmr2Events({ ...direct, commandLine });
    assert.deepEqual([options?.what, last?.what], ['command line (UTF-16)', 'initrd']);
    const digest = options?.digest ?? initrd;
    assert.equal(
      toHex(digest),
      'b8c85d40a1d555a451571e24d7d7c4c331bc15721d6e4b2a5cb5093214c44174822a0916aa4d622d4309644de99cd59c',
    );
    const itsInitrd =
      '88de90bedcc560064688c74ccd6609a25ed9d48b0a0e13d8b2a558212724d8755b2c8114dcf04b8d51ea4cf7782e3091';
    assert.equal(
      toHex(replayDigests([digest, fromHex(itsInitrd)])),
      '972547466cb6bcb8a23cd479e9258c3affbbc4f0ba2805d732477200d0dff8432447c7a775e70453cdb51f018a306ece',
    );
  });

  for (const [what, change, measured] of [
    ['both', {}, ['initrd=initrd console=ttyS0\0', 'initrd']],
    ['no initrd', { initrd: Buffer.of() }, ['console=ttyS0\0']],
    ['no command line', { commandLine: '' }, ['initrd=initrd \0', 'initrd']],
    ['neither', { initrd: Buffer.of(), commandLine: '' }, []],
  ] as const) {
    test(`of command line and initrd with ${what}, what the kernel is given is measured`, () => {
      const expected = measured.map((text) =>
        sha384(Buffer.from(text, text === 'initrd' ? 'latin1' : 'utf16le')),
      );
      const events = rtmr2Events({ ...direct, ...change });
      assert.deepEqual(
        events.map(({ digest }) => toHex(digest)),
        expected,
      );
    });
  }

  for (const commandLine of ['name=ö', 'name=a\0b']) {
    test(`the command line ${JSON.stringify(commandLine)} of a direct boot is refused`, () => {
      assert.throws(() => rtmr2Events({ ...direct, commandLine }), refused('MEASUREMENT_INPUT'));
    });
  }

  test('a unified kernel image is measured whole, then by its kernel and its sections', () => {
    const whats = [...rtmr1Alternatives(uki)[0], ...rtmr2Events(uki)].map((event) => event.what);
    assert.deepEqual(whats, [
      'Calling EFI Application from Boot Option',
      'separator',
      'unified kernel image (Authenticode)',
      'kernel in the image (Authenticode)',
      'Exit Boot Services Invocation',
      'Exit Boot Services Returned with Success',
      'name of section .linux',
      'section .linux',
      'name of section .cmdline',
      'section .cmdline',
      'name of section .initrd',
      'section .initrd',
      'command line (UTF-16)',
      'initrd',
    ]);
  });

  type Sections = readonly (readonly [string, Uint8Array])[];
  const KERNEL = ['.linux', kernel] as const;
  const COMMAND_LINE = ['.cmdline', Buffer.from('console=ttyS0')] as const;
  const INITRD = ['.initrd', initrd] as const;
  const ukiOf = (sections: Sections): TdxBoot => ({
    kind: 'uki',
    partitionTable: undefined,
    image: forgePe(sections).bytes,
  });

  for (const [what, written, passed] of [
    ['as it stands', 'console=ttyS0 quiet', 'console=ttyS0 quiet'],
    ['without blanks at its ends', ' \tconsole=ttyS0 quiet \n', 'console=ttyS0 quiet'],
    ['with blanks for control characters', 'a\tb\x7fc  d', 'a b c  d'],
  ] as const) {
    test(`the command line of a unified kernel image is measured ${what}`, () => {
      const line = ['.cmdline', Buffer.from(written)] as const;
      const events = rtmr2Events(ukiOf([KERNEL, line, INITRD]));
      const measured = events.find((event) => event.what === 'command line (UTF-16)');
      const expected = sha384(Buffer.from(`${passed}\0`, 'utf16le'));
      assert.equal(toHex(measured?.digest ?? initrd), expected);
      const section = events.find((event) => event.what === 'section .cmdline');
      assert.equal(toHex(section?.digest ?? initrd), sha384(line[1]));
    });
  }

  test('sections that systemd-stub adds to the initrd are measured with it, in its order', () => {
    const words = (text: string): string => text.replaceAll(' ', '');
    const zero = '00000000';
    const folder =
      words(`070701 00000001 0000416d ${zero} ${zero} 00000001 ${zero} ${zero}`) +
      words(`${zero} ${zero} ${zero} ${zero} 00000007 ${zero}`) +
      '.extra\0\0\0\0';
    const file = (size: string, nameSize: string, nameAndData: string): string =>
      words(`070701 00000002 00008124 ${zero} ${zero} 00000001 ${zero} ${size}`) +
      words(`${zero} ${zero} ${zero} ${zero} ${nameSize} ${zero}`) +
      nameAndData;
    const trailer =
      words(`070701 ${zero} ${zero} ${zero} ${zero} 00000001 ${zero} ${zero}`) +
      words(`${zero} ${zero} ${zero} ${zero} 0000000B ${zero}`) +
      'TRAILER!!!\0\0\0\0';
    const signature = file('00000002', '0000001f', '.extra/tpm2-pcr-signature.json\0\0\0\0{}\0\0');
    const key = file('00000001', '0000001f', '.extra/tpm2-pcr-public-key.pem\0\0\0\0k\0\0\0');
    const release = file('00000004', '00000012', '.extra/os-release\0ID=x');
    const events = rtmr2Events(
      ukiOf([
        KERNEL,
        COMMAND_LINE,
        INITRD,
        ['.osrel', Buffer.from('ID=x')],
        ['.pcrpkey', Buffer.from('k')],
        ['.pcrsig', Buffer.from('{}')],
        ['.ucode', Buffer.from('micro')],
      ]),
    );
    const archives = [signature, key, release].map((member) => folder + member + trailer);
    const whole = ['micro\0\0\0', 'initrd\0\0', ...archives].join('');
    assert.equal(toHex(events.at(-1)?.digest ?? initrd), sha384(Buffer.from(whole, 'latin1')));
    const measured = events.map(({ what }) => what).filter((what) => what.startsWith('section '));
    assert.deepEqual(
      measured.map((what) => what.slice('section '.length)),
      ['.linux', '.osrel', '.cmdline', '.initrd', '.ucode', '.pcrpkey'],
    );
  });

  for (const [what, sections] of [
    ['no kernel', [COMMAND_LINE, INITRD]],
    ['no command line', [KERNEL, INITRD]],
    ['an empty command line', [KERNEL, ['.cmdline', Buffer.from(' \n')], INITRD]],
    ['a command line beyond ASCII', [KERNEL, ['.cmdline', Buffer.from('ö')], INITRD]],
    ['no initrd', [KERNEL, COMMAND_LINE]],
    ['two initrds', [KERNEL, COMMAND_LINE, INITRD, INITRD]],
    ...['.profile', '.dtb', '.dtbauto', '.hwids', '.efifw'].map(
      (name) =>
        [
          `${name}, whose effect is not modelled,`,
          [KERNEL, COMMAND_LINE, INITRD, [name, initrd]],
        ] as const,
    ),
  ] as const) {
    test(`a unified kernel image with ${what} is refused`, () => {
      const broken = ukiOf(sections);
      assert.throws(() => rtmr2Events(broken), refused('MEASUREMENT_PE'));
    });
  }

  test('a unified kernel image with a section that goes on in memory is refused', () => {
    const { bytes } = forgePe([KERNEL, COMMAND_LINE, INITRD]);
    bytes.writeUInt32LE(0xffff_ffff, bytes.indexOf('.initrd') + 8);
    const broken: TdxBoot = { kind: 'uki', partitionTable: undefined, image: bytes };
    assert.throws(() => rtmr2Events(broken), refused('MEASUREMENT_PE'));
  });
});
