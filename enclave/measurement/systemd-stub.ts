import { concat, utf8 } from '../../attestation/encoding/bytes.js';
import { AssayError } from '../../attestation/encoding/error.js';
import { type PeSection, peSections } from './authenticode.js';

/** A unified kernel image as systemd-stub reads it (systemd 257, `src/boot/stub.c`). */
export interface Uki {
  readonly kernel: Uint8Array;
  /** Sections that the stub measures, in its order. */
  readonly measured: readonly { readonly name: string; readonly contents: Uint8Array }[];
  /** What the kernel gets from the stub. */
  readonly commandLine: string;
  readonly initrd: Uint8Array;
}

/** In the order of `src/fundamental/uki.h`; `.pcrsig` is not measured. */
const MEASURED = [
  '.linux',
  '.osrel',
  '.cmdline',
  '.initrd',
  '.ucode',
  '.splash',
  '.uname',
  '.sbat',
  '.pcrpkey',
] as const;
/**
 * Profiles choose among sections, the rest among devices:
 * what is measured then is not decided by the file alone.
 */
const NOT_MODELLED: readonly string[] = ['.profile', '.dtb', '.dtbauto', '.hwids', '.efifw'];
/** Sections that the stub also puts into the initrd, as files under `/.extra`, in its order. */
const EXTRA = [
  ['.pcrsig', 'tpm2-pcr-signature.json'],
  ['.pcrpkey', 'tpm2-pcr-public-key.pem'],
  ['.osrel', 'os-release'],
] as const;

type Sections = ReadonlyMap<string, Uint8Array>;

function fail(message: string): never {
  throw new AssayError('MEASUREMENT_PE', message);
}

/**
 * Reads a unified kernel image. Throws MEASUREMENT_PE for one without kernel, command line or initrd, and
 * for one whose measurement would depend on more than is known here of the stub.
 */
export function readUki(image: Uint8Array): Uki {
  const sections = readSections(peSections(image));
  const initrd = required(sections, '.initrd');
  return {
    kernel: required(sections, '.linux'),
    measured: MEASURED.flatMap((name) => {
      const contents = sections.get(name);
      return contents === undefined ? [] : [{ name, contents }];
    }),
    commandLine: stubCommandLine(required(sections, '.cmdline')),
    initrd: stubInitrd(initrd, sections),
  };
}

function readSections(all: readonly PeSection[]): Sections {
  const sections = new Map<string, Uint8Array>();
  for (const { name, virtualSize, data } of all) {
    if (virtualSize === 0) continue;
    if (NOT_MODELLED.includes(name)) {
      fail(
        `the unified kernel image has a section ${name}, and what it does to RTMR2 is not known`,
      );
    }
    if (sections.has(name)) fail(`the unified kernel image has two sections ${name}`);
    const used = name === '.pcrsig' || MEASURED.some((each) => each === name);
    if (used && virtualSize > data.length) {
      fail(`section ${name} is ${virtualSize} bytes in memory and ${data.length} in the file`);
    }
    sections.set(name, data.subarray(0, virtualSize));
  }
  return sections;
}

function required(sections: Sections, name: string): Uint8Array {
  return sections.get(name) ?? fail(`the unified kernel image has no section ${name}`);
}

/** `mangle_stub_cmdline`: control characters become blanks, and blanks at both ends go. */
function stubCommandLine(section: Uint8Array): string {
  if (section.some((byte) => byte === 0 || byte > 0x7f)) {
    fail('expected a command line of ASCII characters in the unified kernel image');
  }
  const blanked = section.map((byte) => (byte <= 0x20 || byte === 0x7f ? 0x20 : byte));
  const text = Buffer.from(blanked).toString('latin1').trim();
  return text === '' ? fail('the command line in the unified kernel image is empty') : text;
}

/** The image's initrd, between its microcode and what the stub adds. */
function stubInitrd(initrd: Uint8Array, sections: Sections): Uint8Array {
  const microcode = sections.get('.ucode');
  const extra = EXTRA.flatMap(([name, file]) => {
    const contents = sections.get(name);
    return contents === undefined ? [] : [extraArchive(file, contents)];
  });
  if (microcode === undefined && extra.length === 0) return initrd;
  return concat(...[...(microcode ? [microcode] : []), initrd, ...extra].flatMap(aligned));
}

/** `pack_cpio_literal`: one file under `/.extra`, in the kernel's `newc` form. */
function extraArchive(file: string, contents: Uint8Array): Uint8Array {
  return concat(
    ...member(1, 0o040555, '.extra', new Uint8Array()),
    ...member(2, 0o100444, `.extra/${file}`, contents),
    TRAILER,
  );
}

/** With this capital B, as the stub has it. */
const TRAILER = utf8(
  `070701${'0'.repeat(32)}00000001${'0'.repeat(48)}0000000B${'0'.repeat(8)}TRAILER!!!\0\0\0\0`,
);

function member(inode: number, mode: number, name: string, data: Uint8Array): Uint8Array[] {
  const fields = [inode, mode, 0, 0, 1, 0, data.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = fields.map((field) => field.toString(16).padStart(8, '0')).join('');
  return [utf8(`070701${header}${name}\0`), data].flatMap(aligned);
}

/** The bytes and zeros up to a multiple of four. */
function aligned(bytes: Uint8Array): Uint8Array[] {
  return [bytes, new Uint8Array(-bytes.length & 3)];
}
