import assert from 'node:assert/strict';
import { hash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite, test } from 'node:test';
import { parsePolicy } from '../../../attestation/appraisal/policy.js';
import {
  parseReferenceValues,
  withReferenceValues,
} from '../../../attestation/appraisal/reference-values.js';
import { verifyTdx } from '../../../attestation/appraisal/verify-tdx.js';
import { fromHex } from '../../../attestation/encoding/bytes.js';
import { replayDigests } from '../../../attestation/evidence/replay.js';
import { authenticodeSha384 } from '../../../enclave/measurement/authenticode.js';
import { assay } from '../../forge/cli.js';
import { forgeDisk, forgeEntry } from '../../forge/gpt.js';
import { blocks, docs, files, filledIn } from '../../forge/guide.js';
import { forgeTdx } from '../../forge/intel.js';
import { idsOf } from '../../forge/judge-snp.js';
import { forgeOvmf } from '../../forge/ovmf.js';
import { forgePe } from '../../forge/pe.js';

const page = readFileSync(join(docs, 'gcp.md'), 'utf8');

const PARTITION = forgeEntry(0xef, 34n, 60n);
const KERNEL = forgePe([['.text', Buffer.alloc(512, 1)]]).bytes;
const IMAGE = forgePe([
  ['.cmdline', Buffer.from('quiet')],
  ['.linux', KERNEL],
  ['.initrd', Buffer.from('initrd')],
]).bytes;
const DISK = forgeDisk({ entries: [PARTITION] });
const VOLUME = { dataOffset: 0, dataSize: 0x1000, address: 0xffffe000n, size: 0x1000n };

const INVOCATION = 'Exit Boot Services Invocation';
const FAILURE = 'Exit Boot Services Returned with Failure';
const SUCCESS = 'Exit Boot Services Returned with Success';

/** RTMR1 as guests on Google's machines had it, but for its end: `cos-113-intel-tdx.bin` of google/go-eventlog. */
function genuineRtmr1(ending: readonly string[]): Uint8Array {
  const digest = (data: string | Uint8Array): Uint8Array => hash('sha384', data, 'buffer');
  const count = Buffer.from([1, 0, 0, 0, 0, 0, 0, 0]);
  return replayDigests([
    digest('Calling EFI Application from Boot Option'),
    digest(Buffer.alloc(4)),
    digest(Buffer.concat([DISK.subarray(512, 604), count, PARTITION])),
    authenticodeSha384(IMAGE),
    authenticodeSha384(KERNEL),
    ...ending.map(digest),
  ]);
}

/** Runs the page's command for TDX on forged files; returns the reference values that it writes. */
async function measured(): Promise<unknown> {
  const folder = await mkdtemp(join(tmpdir(), 'assay-guide-'));
  const at = (name: string): string => join(folder, name);
  try {
    const tdvf = [{ ...VOLUME, type: 0, attributes: 1 }];
    await writeFile(at('GOOGLE-OVMF.fd'), forgeOvmf({ size: 0x2000, tdvf }));
    await writeFile(at('assay.efi'), IMAGE);
    await writeFile(at('disk.raw'), DISK);
    const [, command = ''] = /`assay (measure launch --tee tdx [^`]*)`/.exec(page) ?? [];
    const words = command.split(/\s+/).map((word) => word.replace('build/image/', ''));
    const args = words.map((word) => (/\.\w+$/.test(word) ? at(word) : word));
    const { code, err } = await assay(args);
    assert.equal(code, 0, err);
    return JSON.parse(await readFile(at('reference.json'), 'utf8'));
  } finally {
    await rm(folder, { recursive: true });
  }
}

suite("the guide for Google's TDX", () => {
  for (const [what, ending] of [
    ['at once', [INVOCATION, SUCCESS]],
    // As edk2-stable202608 does from a disk of virtio.
    ['at its second request', [INVOCATION, FAILURE, INVOCATION, SUCCESS]],
    ['at its second request, by older firmware', [FAILURE, INVOCATION, SUCCESS]],
  ] as const) {
    test(`ends with a policy that refuses nothing of a guest from its disk that is let go ${what}`, async () => {
      const reference = parseReferenceValues(await measured());
      const [shown = ''] = files(page, 'policy.yaml');
      const { tdx } = withReferenceValues(parsePolicy(filledIn(shown)), [reference]);
      const [mrTd = '', rtmr2 = ''] = [reference.tdx?.mrTd, reference.tdx?.rtmr2].flat();
      const { quote, collateral, roots } = await forgeTdx({
        report: (report) => {
          const [rtmr0, , , rtmr3] = report.rtmrs;
          assert.ok(rtmr0 && rtmr3);
          const rtmrs = [rtmr0, genuineRtmr1(ending), fromHex(rtmr2), rtmr3] as const;
          return { ...report, mrTd: fromHex(mrTd), rtmrs };
        },
      });
      const options = { at: new Date('2026-11-21T00:00:00Z'), roots };
      const result = await verifyTdx(quote, collateral, tdx ?? assert.fail(), options);
      assert.deepEqual(idsOf(result, 'fail'), [], result.summary);
      assert.deepEqual(idsOf(result, 'waived'), ['tdx.measurement']);
    });
  }
});

test("the guide's disk is one that Google imports, and its file system ends within the partition", () => {
  const [commands = ''] = blocks(page, '').filter((text) => text.includes('mformat'));
  const number = (pattern: RegExp): number => Number(pattern.exec(commands)?.[1]);
  const sectors = number(/^truncate -s (\d+)G disk\.raw$/m) * 2 ** 21;
  const first = number(/^sgdisk -n 1:(\d+):\+\d+M /m);
  const partition = number(/^sgdisk -n 1:\d+:\+(\d+)M /m) * 2048;
  assert.equal(number(/^mformat -i disk\.raw@@(\d+)M /m) * 2048, first);
  assert.equal(number(/^mformat .* -T (\d+) /m), partition);
  // The table's backup has the last 33 sectors.
  assert.ok(first + partition <= sectors - 33);
  assert.match(commands, /^tar --format=oldgnu -Sczf assay\.tar\.gz disk\.raw$/m);
});
