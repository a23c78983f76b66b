import assert from 'node:assert/strict';
import { suite, test } from 'node:test';
import { AssayError } from '../../../attestation/encoding/error.js';
import { packInitrd } from '../../../enclave/image/cpio.js';
import type { ImageFile } from '../../../enclave/image/files.js';
import { parseSpecification } from '../../../enclave/image/specification.js';
import { buildUki } from '../../../enclave/image/uki.js';
import { authenticodeSha384, peSections } from '../../../enclave/measurement/authenticode.js';
import { forgePe } from '../../forge/pe.js';

const refused = (error: unknown): boolean =>
  error instanceof AssayError && error.code === 'CONFIG_IMAGE';
const file = (path: string, text: string, executable = false): ImageFile => ({
  path,
  data: Buffer.from(text),
  executable,
});

/** Reads an archive as the kernel does: headers of 110 hexadecimal characters, names and data padded. */
function unpack(archive: Buffer): Map<string, { mode: number; data: string; device: string }> {
  const entries = new Map<string, { mode: number; data: string; device: string }>();
  for (let at = 0; ; ) {
    assert.equal(archive.toString('latin1', at, at + 6), '070701');
    const field = (index: number): number =>
      Number.parseInt(archive.toString('latin1', at + 6 + 8 * index, at + 14 + 8 * index), 16);
    const [mode, size, nameSize] = [field(1), field(6), field(11)];
    const device = `${field(9)}:${field(10)}`;
    assert.deepEqual([field(2), field(3), field(5)], [0, 0, 0], 'owned by root, without a time');
    const name = archive.toString('utf8', at + 110, at + 110 + nameSize - 1);
    const start = Math.ceil((at + 110 + nameSize) / 4) * 4;
    if (name === 'TRAILER!!!') return entries;
    entries.set(name, { mode, device, data: archive.toString('utf8', start, start + size) });
    at = Math.ceil((start + size) / 4) * 4;
  }
}

suite('initrd', () => {
  const files = [file('/init', 'program', true), file('/app/a/b.js', 'text'), file('/app/c', '')];

  test('holds every file, the folders above it, and one device', () => {
    const entries = unpack(packInitrd(files));
    assert.deepEqual([...entries.keys()], [...entries.keys()].sort(), 'sorted by path');
    assert.deepEqual(entries.get('init'), { mode: 0o100755, data: 'program', device: '0:0' });
    assert.deepEqual(entries.get('app/a/b.js'), { mode: 0o100644, data: 'text', device: '0:0' });
    assert.equal(entries.get('app/a')?.mode, 0o040755);
    const devices = [...entries].filter(([, { mode }]) => (mode & 0o170000) === 0o020000);
    assert.deepEqual(
      devices.map(([name, { device }]) => [name, device]),
      [['dev/console', '5:1']],
    );
  });

  test('is the same bytes in whatever order the files come', () => {
    assert.ok(packInitrd(files).equals(packInitrd([...files].reverse())));
  });

  test('names files in UTF-8, as the guest looks for them', () => {
    const entries = unpack(packInitrd([file('/app/权重.bin', 'weights'), file('/app/é', 'x')]));
    assert.equal(entries.get('app/权重.bin')?.data, 'weights');
    assert.equal(entries.get('app/é')?.data, 'x');
  });

  for (const [what, bad] of [
    ['a relative path', [file('init', '')]],
    ['a path that climbs', [file('/app/../init', '')]],
    ['the same path twice', [file('/init', 'a'), file('/init', 'b')]],
  ] as const) {
    test(`${what} is refused`, () => {
      assert.throws(() => packInitrd(bad), refused);
    });
  }
});

suite('unified kernel image', () => {
  const stub = forgePe([['.text', Buffer.alloc(700, 1)]]).bytes;
  const added = [
    ['.cmdline', Buffer.from('console=ttyS0')],
    ['.linux', Buffer.alloc(5000, 2)],
  ] as const;

  test('is the stub with the sections behind its own, whole and in order', () => {
    const sections = peSections(buildUki(stub, added));
    assert.deepEqual(
      sections.map(({ name, virtualSize }) => [name, virtualSize]),
      [
        ['.text', 700],
        ['.cmdline', 13],
        ['.linux', 5000],
      ],
    );
    for (const [name, data] of added) {
      const section = sections.find((candidate) => candidate.name === name);
      assert.ok(data.equals(section?.data.subarray(0, data.length) ?? Buffer.alloc(0)), name);
    }
  });

  test('maps no two sections onto each other', () => {
    const uki = buildUki(stub, added);
    const table = uki.readUInt32LE(0x3c) + 24 + uki.readUInt16LE(uki.readUInt32LE(0x3c) + 20);
    let end = 0;
    for (let index = 0; index < 3; index++) {
      const at = table + 40 * index;
      const address = uki.readUInt32LE(at + 12);
      assert.ok(address >= end && address % 4096 === 0);
      end = address + uki.readUInt32LE(at + 8);
    }
    assert.ok(uki.readUInt32LE(uki.readUInt32LE(0x3c) + 24 + 56) >= end, 'SizeOfImage covers all');
  });

  test('is measured differently when one byte of a section differs', () => {
    const other = buildUki(stub, [['.cmdline', Buffer.from('console=ttyS1')], added[1]]);
    const [a, b] = [buildUki(stub, added), other].map((image) => authenticodeSha384(image));
    assert.notDeepEqual(a, b);
  });

  test('a stub without room for more headers is refused', () => {
    const many = Array.from({ length: 40 }, (_, i) => [`.s${i}`, Buffer.alloc(1)] as const);
    assert.throws(() => buildUki(stub, many), refused);
  });
});

suite('image specification', () => {
  const good = 'version: 1\ncommandLine: quiet\nhosts: [a]\nmodels: [{name: m, path: m.onnx}]\n';

  test('resolves model paths against where it lies, and pins unless told not to', () => {
    const specification = parseSpecification(good, '/etc/assay/image.yaml');
    assert.equal(specification.models[0]?.path, '/etc/assay/m.onnx');
    assert.equal(specification.pinned, true);
  });

  for (const [what, text] of [
    ['an unknown member', `${good}extra: 1\n`],
    ['no model', good.replace('[{name: m, path: m.onnx}]', '[]')],
    ['a model name that is a path', good.replace('name: m', 'name: ../m')],
    ['an option that the service would refuse', good.replace('}]', ', intraOpThreads: 0}]')],
    ['an option that the service does not know', good.replace('}]', ', batching: {size: 1}}]')],
    ...Object.entries({
      'a blank at its end': 'quiet ',
      'a blank at its start': ' quiet',
      quotes: "dyndbg='file x +p'",
      'a substitution': 'x=$y',
      '1025 characters': 'a'.repeat(1025),
    }).map(
      ([what, line]) =>
        [
          `a command line with ${what}, which no deployment can have`,
          good.replace('quiet', JSON.stringify(line)),
        ] as const,
    ),
  ] as const) {
    test(`with ${what} is refused`, () => {
      assert.throws(() => parseSpecification(text, 'image.yaml'), refused);
    });
  }

  for (const [what, text, says] of [
    [
      'a repeated member',
      `${good}version: 1\n`,
      /^image\.yaml .*Map keys must be unique at line 5/s,
    ],
    ['no YAML at all', 'version: 1\nhosts: [a\n', /^image\.yaml .* at line 3/s],
    ['an alias', `${good.replace('[a]', '&a [a]')}workers: *a\n`, /^image\.yaml: aliases/],
  ] as const) {
    test(`with ${what} is no document, and the error says why`, () => {
      assert.throws(() => parseSpecification(text, 'image.yaml'), {
        code: 'CONFIG_IMAGE',
        message: says,
      });
    });
  }
});
