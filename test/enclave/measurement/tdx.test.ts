import assert from 'node:assert/strict';
import { createHash, Hash } from 'node:crypto';
import { mock, suite, test } from 'node:test';
import { toHex } from '../../../attestation/encoding/bytes.js';
import { AssayError } from '../../../attestation/encoding/error.js';
import { authenticodeSha384 } from '../../../enclave/measurement/authenticode.js';
import { parseFirmware } from '../../../enclave/measurement/firmware.js';
import { mrtd } from '../../../enclave/measurement/mrtd.js';
import { type ForgedTdvfSection, forgeOvmf } from '../../forge/ovmf.js';
import { forgePe } from '../../forge/pe.js';

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
