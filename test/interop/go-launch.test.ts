import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { AssayError } from '../../attestation/encoding/error.js';
import { signatureOf } from '../../enclave/measurement/cpu-type.js';
import { measureSnp, measureTdx } from '../../enclave/measurement/launch-values.js';
import { forgeOvmf } from '../forge/ovmf.js';
import { buildGo, debianPackage, withoutGo } from './peers.js';

const intel = await debianPackage('ovmf-inteltdx');
const firmware = join(intel.root, 'usr/share/ovmf/OVMF.inteltdx.ms.fd');
const skip = withoutGo('go-launch') || intel.missing;

interface Question {
  readonly firmware: string;
  readonly processors?: number;
}

interface Answer {
  readonly digest: string;
  readonly error: string;
}

const HEADER = 16;
const SECTION = 32;
const ATTRIBUTES = 28;
const MR_EXTEND = 1;

/** A change to a copy of Debian's TDX firmware; `descriptor` is where its TDVF descriptor starts. */
type Change = (image: Buffer, descriptor: number) => void;

function exchange(image: Buffer, first: number, second: number): void {
  const kept = Buffer.from(image.subarray(first, first + SECTION));
  image.copyWithin(first, second, second + SECTION);
  kept.copy(image, second);
}

/** What a computation that is careless about order, attributes or bounds would not notice. */
function changes(descriptor: number, image: Buffer): Map<string, Change> {
  const count = image.readUInt32LE(descriptor + 12);
  const section = (index: number): number => descriptor + HEADER + SECTION * index;
  const made = new Map<string, Change>([['as Debian ships it', () => undefined]]);
  for (let index = 0; index < count; index++) {
    const at = section(index);
    const [offset, size] = [image.readUInt32LE(at), image.readUInt32LE(at + 4)];
    if (size > 0) {
      for (const byte of [0, 255, 256, size - 1]) {
        made.set(`byte ${byte} of section ${index}`, (copy) => {
          copy.writeUInt8(copy.readUInt8(offset + byte) ^ 0x80, offset + byte);
        });
      }
      made.set(`section ${index}: contents count, or no longer`, (copy) => {
        copy.writeUInt32LE(copy.readUInt32LE(at + ATTRIBUTES) ^ MR_EXTEND, at + ATTRIBUTES);
      });
    } else {
      made.set(`section ${index} one page smaller`, (copy) => {
        copy.writeBigUInt64LE(copy.readBigUInt64LE(at + 16) - 0x1000n, at + 16);
      });
    }
    made.set(`section ${index} elsewhere`, (copy) => {
      copy.writeBigUInt64LE(copy.readBigUInt64LE(at + 8) ^ 0x10000000n, at + 8);
    });
    if (index > 0) {
      made.set(`section ${index} before section ${index - 1}`, (copy) => {
        exchange(copy, section(index - 1), at);
      });
    }
  }
  return made;
}

suite("Google's computation of launch measurements", { skip }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'assay-go-launch-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  let ask: (questions: readonly Question[]) => Answer[];

  before(() => {
    const binary = buildGo('go-launch');
    ask = (questions) =>
      execFileSync(binary, {
        input: questions.map((question) => JSON.stringify(question)).join('\n'),
        maxBuffer: 1 << 24,
      })
        .toString()
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as Answer);
  });

  test('MRTD of Debian’s TDX firmware, and of what one change makes of it, is the same', () => {
    const original = readFileSync(firmware);
    const descriptor = original.lastIndexOf('TDVF');
    const cases = [...changes(descriptor, original)].map(([name, change], index) => {
      const image = Buffer.from(original);
      change(image, descriptor);
      const path = join(folder, `${index}.fd`);
      writeFileSync(path, image);
      return { name, path, image };
    });
    const answers = ask(cases.map(({ path }) => ({ firmware: path })));
    const digests = cases.map(({ name, image }, index) => {
      const mrTd = measureTdx({ firmware: image, boot: undefined }).mrTd;
      assert.equal(mrTd, answers[index]?.digest, name);
      return mrTd;
    });
    console.log(
      `gce-tcb-verifier 0.3.1: ${digests.length} MRTDs are equal, ${new Set(digests).size} of them distinct`,
    );
  });

  for (const [what, change] of [
    [
      'measured sections without all of their contents',
      (image: Buffer, memory: number) => image.writeUInt32LE(MR_EXTEND, memory + ATTRIBUTES),
    ],
    [
      'two sections that share a page',
      (image: Buffer, memory: number) =>
        image.writeBigUInt64LE(image.readBigUInt64LE(memory + SECTION + 8), memory + 8),
    ],
  ] as const) {
    test(`both refuse ${what}`, () => {
      const image = readFileSync(firmware);
      const descriptor = image.lastIndexOf('TDVF');
      const count = image.readUInt32LE(descriptor + 12);
      const starts = Array.from({ length: count }, (_, i) => descriptor + HEADER + SECTION * i);
      change(image, starts.find((at) => image.readUInt32LE(at + 4) === 0) ?? Number.NaN);
      const path = join(folder, 'refused.fd');
      writeFileSync(path, image);
      assert.notEqual(ask([{ firmware: path }])[0]?.error, '');
      assert.throws(
        () => measureTdx({ firmware: image, boot: undefined }),
        (error) => error instanceof AssayError && error.code === 'MEASUREMENT_FIRMWARE',
      );
    });
  }

  test('MEASUREMENT of SEV-SNP guests on Google’s monitor is the same for each vCPU count', () => {
    const image = forgeOvmf({
      size: 0x4000,
      resetAddress: 0x80b004,
      sev: [
        [0x800000, 0x9000, 1],
        [0x80d000, 0x1000, 2],
        [0x80e000, 0x1000, 3],
        [0x80f000, 0x1000, 4],
      ],
    });
    const path = join(folder, 'snp.fd');
    writeFileSync(path, image);
    const processors = [1, 2, 3, 5, 7, 16, 31, 96, 224];
    const answers = ask(processors.map((count) => ({ firmware: path, processors: count })));
    const { measurements } = measureSnp({
      firmware: image,
      firmwareDigest: undefined,
      boot: undefined,
      vmm: 'gce',
      processors,
      signature: signatureOf('EPYC-Milan'),
      features: 1n,
    });
    assert.deepEqual(
      answers,
      measurements.map(({ digest }) => ({ digest, error: '' })),
    );
  });
});
