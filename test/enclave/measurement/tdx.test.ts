import assert from 'node:assert/strict';
import { createHash, Hash } from 'node:crypto';
import { mock, suite, test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { replayDigests } from '../../../attestation/evidence/tcg-event-log.js';
import { authenticodeSha384 } from '../../../enclave/measurement/authenticode.js';
import { parseFirmware } from '../../../enclave/measurement/firmware.js';
import { mrtd } from '../../../enclave/measurement/mrtd.js';
import {
  type BootEvent,
  rtmr1Events,
  rtmr2Events,
  type TdxBoot,
} from '../../../enclave/measurement/rtmr.js';
import { type ForgedTdvfSection, forgeOvmf } from '../../forge/ovmf.js';
import { forgePe } from '../../forge/pe.js';

const replay = (events: readonly BootEvent[]): Uint8Array =>
  replayDigests(events.map(({ digest }) => digest));

const FIRMWARE_VOLUME: ForgedTdvfSection = {
  dataOffset: 0,
  dataSize: 0x1000,
  address: 0xffffe000n,
  size: 0x1000n,
  type: 0,
  attributes: 1,
};
const MEMORY: ForgedTdvfSection = {
  dataOffset: 0,
  dataSize: 0,
  address: 0x809000n,
  size: 0x2000n,
  type: 2,
  attributes: 0,
};
const CONFIGURATION: ForgedTdvfSection = {
  dataOffset: 0x1000,
  dataSize: 0x1000,
  address: 0xfffff000n,
  size: 0x1000n,
  type: 1,
  attributes: 0,
};

const image = (tdvf: readonly ForgedTdvfSection[]): Uint8Array<ArrayBuffer> =>
  forgeOvmf({ size: 0x2000, tdvf });
const mrtdOf = (bytes: Uint8Array): string => toHex(mrtd(parseFirmware(bytes)));
const refused = (code: string) => (error: unknown) =>
  error instanceof AssayError && error.code === code;

suite('MRTD', () => {
  test('is the hash of the calls that the TDX module sees, written out by hand', () => {
    const bytes = image([FIRMWARE_VOLUME, MEMORY]);
    const hash = createHash('sha384');
    const call = (name: string, address: number): Buffer => {
      const record = Buffer.alloc(128);
      record.write(name);
      record.writeUInt32LE(address, 16);
      return record;
    };
    hash.update(call('MEM.PAGE.ADD', 0xffffe000));
    for (let at = 0; at < 0x1000; at += 0x100) {
      hash.update(call('MR.EXTEND', 0xffffe000 + at));
      hash.update(bytes.subarray(at, at + 0x100));
    }
    hash.update(call('MEM.PAGE.ADD', 0x809000));
    hash.update(call('MEM.PAGE.ADD', 0x80a000));
    assert.equal(mrtdOf(bytes), hash.digest('hex'));
  });

  test('covers the firmware volume, and of the configuration volume its place only', () => {
    const sections = [FIRMWARE_VOLUME, CONFIGURATION, MEMORY];
    const before = mrtdOf(image(sections));
    const code = image(sections);
    code[0x0234] = 0;
    assert.notEqual(mrtdOf(code), before);
    const variables = image(sections);
    variables[0x1010] = 0;
    assert.equal(mrtdOf(variables), before);
    assert.notEqual(mrtdOf(image([FIRMWARE_VOLUME, MEMORY, CONFIGURATION])), before);
  });

  test('leaves out pages that the guest adds at run time', () => {
    const augmented = { ...MEMORY, attributes: 2 };
    assert.equal(mrtdOf(image([FIRMWARE_VOLUME, augmented])), mrtdOf(image([FIRMWARE_VOLUME])));
  });

  for (const [what, change] of [
    ['an address within a page', { address: 0x809800n }],
    ['a size of half a page', { size: 0x800n }],
    ['less memory than data', { dataSize: 0x1000, size: 0n }],
    ['data beyond the image', { dataOffset: 0x2000, dataSize: 0x1000, size: 0x1000n }],
    ['measured pages without data', { attributes: 1 }],
    ['more pages than any firmware has', { size: 1n << 40n }],
  ] as const) {
    test(`a section with ${what} is refused`, () => {
      const bytes = image([{ ...MEMORY, ...change }]);
      assert.throws(() => mrtdOf(bytes), refused('MEASUREMENT_FIRMWARE'));
    });
  }

  test('sections that share a page are refused: no TD could be built so', () => {
    const overlapping = { ...MEMORY, address: MEMORY.address + 0x1000n };
    assert.throws(
      () => mrtdOf(image([FIRMWARE_VOLUME, overlapping, MEMORY])),
      refused('MEASUREMENT_FIRMWARE'),
    );
  });

  test('firmware without TDVF metadata is refused', () => {
    assert.throws(() => mrtdOf(forgeOvmf({})), refused('MEASUREMENT_FIRMWARE'));
  });
});

suite('Authenticode hash', () => {
  const pe = forgePe([
    ['.text', Buffer.alloc(512, 1)],
    ['.data', Buffer.alloc(512, 2)],
  ]);
  const before = toHex(authenticodeSha384(pe.bytes));

  test('of an unsigned image is the hash of all but checksum and certificate entry', () => {
    const { bytes, checksumAt, certificateEntryAt } = pe;
    const expected = createHash('sha384')
      .update(bytes.subarray(0, checksumAt))
      .update(bytes.subarray(checksumAt + 4, certificateEntryAt))
      .update(bytes.subarray(certificateEntryAt + 8))
      .digest('hex');
    assert.equal(before, expected);
  });

  test('does not move when the image is signed', () => {
    const signed = Buffer.concat([pe.bytes, Buffer.alloc(64, 9)]);
    signed.writeUInt32LE(pe.bytes.length, pe.certificateEntryAt);
    signed.writeUInt32LE(64, pe.certificateEntryAt + 4);
    signed.writeUInt32LE(0xdeadbeef, pe.checksumAt);
    assert.equal(toHex(authenticodeSha384(signed)), before);
  });

  test('moves with a byte of a section, and with data behind the sections', () => {
    const changed = Uint8Array.from(pe.bytes);
    changed[changed.length - 1] = 7;
    assert.notEqual(toHex(authenticodeSha384(changed)), before);
    const longer = Buffer.concat([pe.bytes, Buffer.alloc(8)]);
    assert.notEqual(toHex(authenticodeSha384(longer)), before);
  });

  test('sections that share their bytes are refused before they are hashed', () => {
    const shared = forgePe(Array.from({ length: 1000 }, (_, i) => [`.s${i}`, Uint8Array.of(1)]));
    const bytes = Buffer.concat([shared.bytes, Buffer.alloc(2 ** 20)]);
    for (let index = 0; index < 1000; index++) {
      const at = shared.certificateEntryAt - 32 + 16 * 8 + 40 * index;
      bytes.writeUInt32LE(bytes.length, at + 16);
      bytes.writeUInt32LE(0, at + 20);
    }
    const update = mock.method(Hash.prototype, 'update');
    try {
      assert.throws(() => authenticodeSha384(bytes), refused('MEASUREMENT_PE'));
      assert.equal(update.mock.callCount(), 0);
    } finally {
      update.mock.restore();
    }
  });

  for (const [what, bytes] of [
    ['no PE at all', new Uint8Array(4096)],
    ['an image cut short', pe.bytes.subarray(0, pe.bytes.length - 1)],
    ['an empty file', new Uint8Array()],
  ] as const) {
    test(`${what} is refused`, () => {
      assert.throws(() => authenticodeSha384(bytes), refused('MEASUREMENT_PE'));
    });
  }
});

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
    const before = toHex(replay(rtmr1Events(direct)));
    const other = forgePe([['.text', Buffer.alloc(512, 2)]]).bytes;
    assert.notEqual(toHex(replay(rtmr1Events({ ...direct, kernel: other }))), before);
    const same = { ...direct, initrd: Buffer.from('x'), commandLine: 'y' };
    assert.equal(toHex(replay(rtmr1Events(same))), before);
  });

  test('RTMR2 follows command line and initrd and not the kernel', () => {
    const before = toHex(replay(rtmr2Events(direct)));
    for (const change of [{ commandLine: 'console=ttyS1' }, { initrd: Buffer.from('x') }]) {
      assert.notEqual(toHex(replay(rtmr2Events({ ...direct, ...change }))), before);
    }
    const other = forgePe([['.text', Buffer.alloc(512, 2)]]).bytes;
    assert.equal(toHex(replay(rtmr2Events({ ...direct, kernel: other }))), before);
  });

  test('the command line is measured as UTF-16 with what OVMF adds to it', () => {
    const [first] = rtmr2Events(direct);
    const text = Buffer.from('console=ttyS0 initrd=initrd\0', 'utf16le');
    assert.equal(toHex(first?.digest ?? text), createHash('sha384').update(text).digest('hex'));
  });

  test('a unified kernel image is measured whole, then by its kernel and its sections', () => {
    const whats = [...rtmr1Events(uki), ...rtmr2Events(uki)].map((event) => event.what);
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
  const sha384 = (data: Uint8Array): string => createHash('sha384').update(data).digest('hex');

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
