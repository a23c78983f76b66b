import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CPU_TYPES, signatureOf } from '../../enclave/measurement/cpu-type.js';
import { measureSnp, measureTdx } from '../../enclave/measurement/launch-values.js';
import { enforcesSecureBoot } from '../../enclave/measurement/secure-boot.js';
import { repositoryRoot } from '../vectors.js';
import { debianPackage, python, withoutPython } from './peers.js';

const folder = mkdtempSync(join(tmpdir(), 'assay-launch-'));
after(() => rmSync(folder, { recursive: true }));

const amd = await debianPackage('ovmf-amdsev');
const intel = await debianPackage('ovmf-inteltdx');
/** Of bookworm: its 4 MB build has no SEV metadata, and a digest all the same. */
const older = await debianPackage('ovmf', 'bookworm');
const FIRMWARE = [
  { path: join(amd.root, 'usr/share/ovmf/OVMF.amdsev.fd'), checksKernels: true },
  { path: join(intel.root, 'usr/share/ovmf/OVMF.inteltdx.ms.fd'), checksKernels: false },
  { path: join(older.root, 'usr/share/OVMF/OVMF_CODE_4M.fd'), checksKernels: false },
  { path: join(older.root, 'usr/share/OVMF/OVMF_CODE.fd'), checksKernels: false },
];

interface Case {
  readonly firmware: string;
  readonly kernel?: string;
  readonly initrd?: string;
  readonly commandLine?: string;
  readonly vmm: 'qemu' | 'ec2' | 'gce';
  readonly processors: number;
  readonly cpu: string;
  readonly features: string;
}

interface PeerAnswer {
  readonly digests: readonly string[];
  readonly cpus: readonly string[];
}

function askPeer(cases: readonly Case[]): PeerAnswer {
  const script = join(repositoryRoot, 'test/interop/measure_launch.py');
  const output = execFileSync(python, [script], { input: JSON.stringify(cases) });
  return JSON.parse(output.toString()) as PeerAnswer;
}

function measure(item: Case): string | undefined {
  const { kernel, initrd, commandLine = '' } = item;
  const { measurements } = measureSnp({
    firmware: readFileSync(item.firmware),
    firmwareDigest: undefined,
    boot:
      kernel === undefined
        ? undefined
        : {
            kernel: readFileSync(kernel),
            initrd: initrd === undefined ? new Uint8Array() : readFileSync(initrd),
            commandLine,
          },
    vmm: item.vmm,
    processors: [item.processors],
    signature: signatureOf(item.cpu),
    features: BigInt(item.features),
  });
  return measurements[0]?.digest;
}

/** Every flavour, processor model and feature set on real firmware, with and without a kernel. */
function makeCases(): Case[] {
  const kernel = join(folder, 'kernel');
  const initrd = join(folder, 'initrd');
  writeFileSync(kernel, Buffer.alloc(100_001, 'k'));
  writeFileSync(initrd, Buffer.alloc(54_321, 'i'));
  const known = askPeer([]).cpus;
  const boots: Pick<Case, 'kernel' | 'initrd' | 'commandLine'>[] = [
    { kernel, initrd, commandLine: 'console=ttyS0 panic=-1' },
    { kernel, initrd, commandLine: '' },
    { kernel, commandLine: 'root=/dev/vda' },
    {},
  ];
  const cases: Case[] = [];
  for (const { path: firmware, checksKernels } of FIRMWARE) {
    for (const boot of checksKernels ? boots : [{}]) {
      for (const vmm of ['qemu', 'ec2', 'gce'] as const) {
        for (const processors of [1, 2, 3, 5, 7, 8, 33, 64, 192, 255]) {
          cases.push({ firmware, ...boot, vmm, processors, cpu: 'EPYC-v4', features: '0x1' });
        }
        for (const features of [
          '0x0',
          '0x1',
          '0x5',
          '0x21',
          '0x29',
          '0x1fff',
          '0xffffffffffffffff',
        ]) {
          cases.push({ firmware, ...boot, vmm, processors: 2, cpu: 'EPYC-Genoa', features });
        }
      }
    }
    for (const cpu of CPU_TYPES.filter((type) => known.includes(type))) {
      cases.push({ firmware, vmm: 'qemu', processors: 4, cpu, features: '0x1' });
    }
  }
  return cases;
}

test('SEV-SNP launch digests equal those of sev-snp-measure on firmware from Debian', {
  skip: withoutPython || amd.missing || intel.missing || older.missing,
}, () => {
  const cases = makeCases();
  const { digests } = askPeer(cases);
  let equal = 0;
  cases.forEach((item, index) => {
    assert.equal(measure(item), digests[index], JSON.stringify(item));
    equal += 1;
  });
  console.log(`sev-snp-measure 0.0.13: ${equal} of ${cases.length} launch digests are equal`);
});

test("of Debian's firmware, that for TDX enforces Secure Boot, and that for SEV-SNP does not", {
  skip: amd.missing || intel.missing,
}, () => {
  const [forSnp, forTdx] = FIRMWARE.map(({ path }) => enforcesSecureBoot(readFileSync(path)));
  assert.deepEqual([forSnp, forTdx], [false, true]);
});

/** virtee/tdx-measure, tests/fixtures: MRTD of the OVMF.fd that Ubuntu 25.04 ships. */
const UBUNTU_MRTD =
  '7357a10d2e2724dffe68813e3cc4cfcde6814d749f2fb62e3953e54f6e0b50a219786afe2cd478f684b52c61837e1114';
const ubuntuFirmware = process.env['UBUNTU_OVMF'];
const withoutUbuntu =
  ubuntuFirmware === undefined
    ? 'set UBUNTU_OVMF to OVMF.fd of ovmf 2025.02-3ubuntu2, which Debian mirrors do not carry'
    : false;

test('MRTD equals the fixtures of tdx-measure', { skip: withoutUbuntu }, () => {
  const firmware = readFileSync(ubuntuFirmware ?? '');
  assert.equal(measureTdx({ firmware, boot: undefined }).mrTd, UBUNTU_MRTD);
});
