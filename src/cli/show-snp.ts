import type { Command } from 'commander';
import { isZero, toHex } from '../../attestation/encoding/bytes.js';
import { namedBits } from '../../attestation/evidence/bits.js';
import {
  GUEST_POLICY_BITS,
  keyInfo,
  PLATFORM_INFO_BITS,
  type ProductLine,
  productOfCpuid,
  tcbComponents,
  tcbText,
} from '../../attestation/evidence/snp-fields.js';
import { openSnpInput } from '../../attestation/evidence/snp-input.js';
import {
  type FirmwareVersion,
  parseSnpReport,
  type SnpReport,
} from '../../attestation/evidence/snp-report.js';
import { bundleOf } from './bundle-input.js';
import { readInput } from './input-files.js';
import type { Io } from './io.js';
import { examples, group } from './options.js';
import { table } from './output.js';

/** A field of the report: where it is, what it says, what that means. */
interface Field {
  readonly offset: number;
  readonly name: string;
  readonly value: string;
  readonly meaning: string;
}

const hex = (value: bigint | number): string => `0x${value.toString(16)}`;

function set(bits: Readonly<Record<string, boolean>>): string {
  const names = Object.entries(bits).flatMap(([name, on]) => (on ? [name] : []));
  return names.length === 0 ? 'no bit set' : names.join(', ');
}

function version({ major, minor, build }: FirmwareVersion): string {
  return `${major}.${minor}.${build}`;
}

function fieldsOf(report: SnpReport): Field[] {
  const line = report.cpuid === undefined ? undefined : productOfCpuid(report.cpuid);
  const layout: ProductLine = line ?? 'Milan';
  const tcb = (raw: bigint): string => {
    const text = tcbText(tcbComponents(raw, layout));
    return line === undefined ? `${text} (in the layout of Milan and Genoa)` : text;
  };
  const info = keyInfo(report.keyInfo);
  const masked = isZero(report.chipId);
  const field = (offset: number, name: string, value: string, meaning: string): Field => ({
    offset,
    name,
    value,
    meaning,
  });
  const bytes = (offset: number, name: string, value: Uint8Array, meaning: string): Field =>
    field(offset, name, toHex(value), isZero(value) ? `${meaning}; zero` : meaning);
  const { cpuid, launchMitVector, currentMitVector } = report;
  return [
    field(0x00, 'VERSION', String(report.version), 'layout of the report'),
    field(
      0x04,
      'GUEST_SVN',
      String(report.guestSvn),
      "the guest's security version, from its ID block",
    ),
    field(
      0x08,
      'POLICY',
      hex(report.policy),
      `ABI ${(report.policy >> 8n) & 0xffn}.${report.policy & 0xffn}, ${set(namedBits(report.policy, GUEST_POLICY_BITS))}`,
    ),
    bytes(0x10, 'FAMILY_ID', report.familyId, 'from the ID block'),
    bytes(0x20, 'IMAGE_ID', report.imageId, 'from the ID block'),
    field(0x30, 'VMPL', String(report.vmpl), 'privilege level that asked for the report'),
    field(0x34, 'SIGNATURE_ALGO', String(report.signatureAlgo), 'ECDSA P-384 with SHA-384'),
    field(0x38, 'CURRENT_TCB', hex(report.currentTcb), tcb(report.currentTcb)),
    field(
      0x40,
      'PLATFORM_INFO',
      hex(report.platformInfo),
      set(namedBits(report.platformInfo, PLATFORM_INFO_BITS)),
    ),
    field(
      0x48,
      'KEY_INFO',
      hex(report.keyInfo),
      `signed by ${info?.signingKey ?? 'unknown'}, author key ${info?.authorKeyEn ? 'used' : 'not used'}, chip key ${info?.maskChipKey ? 'masked' : 'not masked'}`,
    ),
    bytes(0x50, 'REPORT_DATA', report.reportData, 'what the guest asked to be signed'),
    bytes(0x90, 'MEASUREMENT', report.measurement, 'what was launched'),
    bytes(0xc0, 'HOST_DATA', report.hostData, 'set by the host at launch'),
    bytes(0xe0, 'ID_KEY_DIGEST', report.idKeyDigest, 'key that signed the ID block'),
    bytes(0x110, 'AUTHOR_KEY_DIGEST', report.authorKeyDigest, 'key that certified the ID key'),
    bytes(0x140, 'REPORT_ID', report.reportId, 'this guest'),
    bytes(0x160, 'REPORT_ID_MA', report.reportIdMa, 'its migration agent; all ones: none'),
    field(0x180, 'REPORTED_TCB', hex(report.reportedTcb), tcb(report.reportedTcb)),
    ...(cpuid === undefined
      ? []
      : [
          field(
            0x188,
            'CPUID',
            `${hex(cpuid.family)} ${hex(cpuid.model)} ${hex(cpuid.stepping)}`,
            `family, model, stepping: ${line ?? 'no known product line'}`,
          ),
        ]),
    field(
      0x1a0,
      'CHIP_ID',
      toHex(report.chipId),
      masked ? 'masked by the host, or a VLEK platform' : 'the chip that signed',
    ),
    field(0x1e0, 'COMMITTED_TCB', hex(report.committedTcb), tcb(report.committedTcb)),
    field(0x1e8, 'CURRENT_VERSION', version(report.current), 'firmware that runs'),
    field(
      0x1ec,
      'COMMITTED_VERSION',
      version(report.committed),
      'firmware that cannot be rolled back',
    ),
    field(0x1f0, 'LAUNCH_TCB', hex(report.launchTcb), tcb(report.launchTcb)),
    ...(launchMitVector === undefined || currentMitVector === undefined
      ? []
      : [
          field(0x1f8, 'LAUNCH_MIT_VECTOR', hex(launchMitVector), 'mitigations at launch'),
          field(0x200, 'CURRENT_MIT_VECTOR', hex(currentMitVector), 'mitigations now'),
        ]),
    field(0x2a0, 'SIGNATURE', toHex(report.signature), 'r and s, big-endian; not verified here'),
  ];
}

/** Breaks a long value over lines of 32 bytes, so that the meaning stays in view. */
function rows({ offset, name, value, meaning }: Field): string[][] {
  const lines = value.match(/.{1,64}/g) ?? [''];
  return lines.map((line, i) =>
    i === 0
      ? [`0x${offset.toString(16).padStart(3, '0')}`, name, line, meaning]
      : ['', '', line, ''],
  );
}

async function showSnp(io: Io, path: string): Promise<void> {
  const bytes = await readInput(io, path);
  const { report, runtimeClaims } = bundleOf('sev-snp', bytes) ?? openSnpInput(bytes);
  const fields = fieldsOf(parseSnpReport(report));
  const claims =
    runtimeClaims === undefined
      ? []
      : [
          {
            offset: 0x4a0,
            name: 'runtime claims',
            value: `${runtimeClaims.length} bytes`,
            meaning: 'Azure: JSON that REPORT_DATA covers',
          },
        ];
  const all = [...fields, ...claims];
  io.print({ fields: all.map((each) => ({ ...each })) }, () => table(all.flatMap(rows)));
}

/** `assay show snp FILE`: a report field by field, without judging it. */
export function registerShowSnp(program: Command, io: Io): void {
  group(program, 'show')
    .command('snp')
    .description('explain an SEV-SNP report field by field')
    .argument('<file>', 'report, Assay bundle, Azure HCL report or collected evidence; - for stdin')
    .addHelpText('after', examples('assay show snp report.bin', 'assay show snp report.bin --json'))
    .action((path: string) => showSnp(io, path));
}
